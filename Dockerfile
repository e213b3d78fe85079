# syntax=docker/dockerfile:1
# The proxy alone: no shell, no package manager, no root. Nothing here names an architecture: `docker buildx build
# --platform linux/amd64,linux/arm64` builds each on its own.

FROM rust:1.91-slim-bookworm AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /source
COPY . .
# What cargo fetched stays for the next build. What it built does not: cargo goes by times of files, which a build
# context need not keep, and an image must never hold yesterday's program.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    cargo build --release --locked --no-default-features --bin shardlane
# glibc rather than musl: the same allocator and memcpy that the benchmarks measure, and one whose thresholds can be fixed so
# that freed memory goes back (docs/adr/0015). The loader and the few
# libraries that the binary names come along; name resolution has been part of libc since 2.34.
# Names of functions stay, for backtraces; places in the code, which take four times as much as the program, do not.
RUN mkdir -p /image/etc/ssl/certs \
    && strip --strip-debug -o /image/shardlane target/release/shardlane \
    && ldd /image/shardlane | grep -o '/[^ ]*' | xargs cp --dereference --parents --target-directory=/image \
    && if [ -f /etc/ssl/certs/ca-certificates.crt ]; then cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/; fi

FROM scratch
# `make image` gives the commit; what is not given stays empty.
ARG REVISION=""
LABEL org.opencontainers.image.title="shardlane" \
      org.opencontainers.image.description="A sidecar proxy that sends every CQL request to the ScyllaDB shard that owns its row" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image /
# A number, so that Kubernetes knows without a passwd file that it is not root.
USER 65532:65532
# Both are on the loopback by default: beside an application in its pod or network namespace that is right,
# elsewhere set SHARDLANE_BIND and SHARDLANE_ADMIN.
EXPOSE 9042 9380
# No HEALTHCHECK, which would need a program to ask with: orchestrators probe /startup, /readyz and /livez on 9380.
ENTRYPOINT ["/shardlane"]
CMD ["run"]
