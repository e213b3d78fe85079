//! A dialler by TLS against nodes of many kinds.

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::connect::dialer::Dialer;
use crate::connect::handshake_budget::NodeGate;
use crate::listen::client_tls::server_config;
use crate::pool::nodes::node_target::{NodeTarget, ShardPort};
use crate::pool::pool_key::PoolKey;
use crate::pool::refill::lane_slots::Dial;
use crate::tls::test_certificates::{Authority, Folder, Pair, files};
use crate::topology::id::NodeId;
use crate::upstream::lane::LANE_RESPONSE;
use cql::frame::{FrameHead, write_frame};
use cql::opcode::Opcode;
use cql::response::supported::Supported;

/// What answers at the node's port.
enum Answers {
    Tls(Arc<ServerConfig>),
    /// CQL's own error about a version that it does not know.
    Plain,
    /// Nothing: it hangs up.
    Nothing,
    /// The alert of a server that expects TLS.
    Alert,
}

/// A node that greets, once.
async fn node(ip: &str, answers: Answers) -> SocketAddr {
    let listener = TcpListener::bind((ip, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = [0; 9];
        match answers {
            Answers::Tls(config) => {
                let accepted = TlsAcceptor::from(config).accept(stream).await;
                let Ok(mut stream) = accepted else { return };
                let answers = [Opcode::Supported, Opcode::Ready];
                for opcode in answers {
                    if stream.read_exact(&mut bytes).await.is_err() {
                        return;
                    }
                    let mut rest = vec![0; usize::from(bytes[8])];
                    stream.read_exact(&mut rest).await.unwrap();
                    let mut out = Vec::new();
                    write_frame(
                        &mut out,
                        FrameHead { version: LANE_RESPONSE, flags: 0, stream: 0 },
                        opcode,
                        |out| {
                            if opcode == Opcode::Supported {
                                Supported {
                                    shard_aware_port: Some(19_042),
                                    ..Supported::default()
                                }
                                .put(out);
                            }
                        },
                    );
                    stream.write_all(&out).await.unwrap();
                    stream.flush().await.unwrap();
                }
            }
            Answers::Plain => {
                stream.read_exact(&mut bytes).await.unwrap();
                stream.write_all(&[0x84, 0, 0, 0, 0, 0, 0, 0, 4]).await.unwrap();
                stream.read_to_end(&mut Vec::new()).await.ok();
            }
            Answers::Nothing => {
                stream.read_exact(&mut bytes).await.unwrap();
            }
            Answers::Alert => {
                stream.read_exact(&mut bytes).await.unwrap();
                stream.write_all(&[0x15, 3, 3, 0, 2, 2, 0x0a]).await.unwrap();
            }
        }
    });
    address
}

/// A node's TLS: its own pair, and the CA of who may come.
fn speaks(pair: &Pair, client_ca: Option<&Authority>) -> Answers {
    let folder = Folder::new();
    let material = files(&folder, client_ca, Some(pair)).read().unwrap();
    Answers::Tls(Arc::new(server_config(&material).unwrap().0))
}

async fn open(address: SocketAddr, settings: Option<NodeTlsSettings>) -> Result<u16, DialErrorAt> {
    let tls = settings.map(|settings| Arc::new(NodeTls::load(&settings).unwrap().unwrap()));
    let target =
        NodeTarget { node: NodeId(0), host: None, address, shard_port: ShardPort::AsAdvertised };
    let dialer = Dialer::default().with_tls(tls);
    let pool = PoolKey::plain(None);
    let opened = dialer.open(&target, &NodeGate::default(), &pool, Dial::Any, 0).await;
    Ok(opened?.shard_aware_port.unwrap())
}

fn trusting(folder: &Folder, ca: &Authority, pair: Option<&Pair>) -> NodeTlsSettings {
    NodeTlsSettings { files: files(folder, Some(ca), pair), ..NodeTlsSettings::default() }
}

#[tokio::test]
async fn a_node_is_trusted_by_its_address_or_a_name_that_the_operator_gave() {
    let (folder, ca) = (Folder::new(), Authority::new("a"));
    let by_ca = trusting(&folder, &ca, None);
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let cases = [
        ("127.0.62.41", by_ca.clone()),
        ("db.example", NodeTlsSettings { known_names: names(&["db.example"]), ..by_ca.clone() }),
        (
            "*.db.example",
            NodeTlsSettings { server_name: Some("a.db.example".to_owned()), ..by_ca.clone() },
        ),
        ("else.where", NodeTlsSettings { verify_name: false, ..by_ca.clone() }),
    ];
    for (name, settings) in cases {
        let address = node("127.0.62.41", speaks(&ca.sign(name), None)).await;
        assert_eq!(open(address, Some(settings)).await.unwrap(), 19_042, "{name}");
    }
}

#[tokio::test]
async fn a_certificate_that_signed_itself_is_trusted_when_it_is_given_as_it_is() {
    let folder = Folder::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["127.0.62.42".to_owned()]).unwrap();
    let cert = params.self_signed(&key).unwrap().pem();
    let pair = Pair { cert, key: key.serialize_pem() };
    let address = node("127.0.62.42", speaks(&pair, None)).await;
    let ca = Some(folder.write("ca", &pair.cert));
    let files = TlsFiles { ca, ..TlsFiles::default() };
    let settings = NodeTlsSettings { files, ..NodeTlsSettings::default() };
    assert!(open(address, Some(settings)).await.is_ok());
}

#[tokio::test]
async fn each_failure_names_the_address_the_reason_and_the_hint() {
    let (folder, ca, other_ca) = (Folder::new(), Authority::new("a"), Authority::new("b"));
    let good = || ca.sign("127.0.62.43");
    let by_ca = trusting(&folder, &ca, None);
    let exactly =
        |name: &str| NodeTlsSettings { server_name: Some(name.to_owned()), ..by_ca.clone() };
    let loose = NodeTlsSettings { verify_name: false, ..by_ca.clone() };
    let own = Folder::new();
    let with_pair = trusting(&own, &ca, Some(&other_ca.sign("client")));
    let plain = None::<NodeTlsSettings>;
    let cases = [
        (
            speaks(&other_ca.sign("127.0.62.43"), None),
            Some(by_ca.clone()),
            "no CA in tls.ca",
            "tls.ca",
        ),
        (speaks(&other_ca.sign("x"), None), Some(loose), "no CA in tls.ca", "tls.ca"),
        (
            speaks(&ca.sign("b.example"), None),
            Some(by_ca.clone()),
            "bears another name",
            "tls.server_name",
        ),
        (
            speaks(&good(), None),
            Some(exactly("c.example")),
            "bears another name",
            "tls.verify_name",
        ),
        (
            speaks(&good(), Some(&ca)),
            Some(by_ca.clone()),
            "asks for a certificate",
            "set tls.cert and tls.key",
        ),
        (
            speaks(&good(), Some(&ca)),
            Some(with_pair),
            "does not accept our certificate",
            "tls.cert",
        ),
        (Answers::Plain, Some(by_ca.clone()), "speaks plain CQL", "9142"),
        (
            Answers::Nothing,
            Some(by_ca.clone()),
            "broke in the handshake",
            "native_transport_port_ssl",
        ),
        (Answers::Alert, plain, "expects TLS", "set tls.ca"),
    ];
    for (number, (answers, settings, reason, hint)) in cases.into_iter().enumerate() {
        let address = node("127.0.62.43", answers).await;
        let text = open(address, settings).await.unwrap_err().to_string();
        for part in [address.to_string().as_str(), reason, hint] {
            assert!(text.contains(part), "case {number}: `{text}` lacks `{part}`");
        }
    }
}

#[tokio::test]
async fn an_expired_certificate_is_reported_as_such() {
    let (folder, ca) = (Folder::new(), Authority::new("a"));
    let old = ca.sign_for("127.0.62.44", 2001..=2002);
    let chain = CertificateDer::pem_slice_iter(old.cert.as_bytes());
    let chain = chain.collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(old.key.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    let address = node("127.0.62.44", Answers::Tls(Arc::new(config))).await;
    let text = open(address, Some(trusting(&folder, &ca, None))).await.unwrap_err().to_string();
    assert!(text.contains(&address.to_string()) && text.contains("has expired"), "{text}");
    assert!(text.contains("renew it on the node"), "{text}");
}

#[tokio::test]
async fn a_chain_to_a_ca_whose_time_is_over_is_believed() {
    let (folder, ca) = (Folder::new(), Authority::new_for("a", 2001..=2002));
    let good = ca.sign("127.0.62.45");
    let address = node("127.0.62.45", speaks(&good, None)).await;
    assert!(open(address, Some(trusting(&folder, &ca, None))).await.is_ok());
}
