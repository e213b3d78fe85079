# The proxy alone: no shell, no package manager, no root.

FROM rust:1.91-slim-bookworm AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /source
COPY . .
RUN cargo build --release --locked --bin shardlane
# glibc rather than musl: the same allocator and memcpy that the benchmarks measure. The loader and the few
# libraries that the binary names come along; name resolution has been part of libc since 2.34.
RUN mkdir -p /image/etc/ssl/certs \
    && cp target/release/shardlane /image/shardlane \
    && ldd /image/shardlane | grep -o '/[^ ]*' | xargs cp --dereference --parents --target-directory=/image \
    && if [ -f /etc/ssl/certs/ca-certificates.crt ]; then cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/; fi

FROM scratch
COPY --from=build /image /
USER 65532:65532
EXPOSE 9042 9380
ENTRYPOINT ["/shardlane"]
CMD ["run"]
