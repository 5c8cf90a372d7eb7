//! TLS: what the hub shows to browsers, and how that is renewed while it runs.
//!
//! ```text
//!   self-signed: authority (made once, sealed) --signs--> certificate for today's names --(names or date changed)--+
//!                                                              ^                                                   |
//!                                                              +---------------------------------------------------+
//!   own files:   cert, key --(either changed on the disk)--> read again; what cannot be used is left and told
//! ```
//! Promise: TLS 1.2 and 1.3 only. A certificate that cannot be renewed goes on being shown: a page that warns is worth
//! more than none.

pub mod authority;
mod names;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use hubd_model::{RadioName, SecretBytes, UnixMillis};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use thiserror::Error;
use tokio::time::{MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::config::Tls;
use crate::store::{Store, StoreError};
use authority::Authority;
pub(crate) use names::is_dns;

/// How often files, names and dates are looked at.
pub const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Whose secret the authority is. No radio of the configuration can have this name.
const SECRET_OF: &str = "hub:tls";
const SECRET: &str = "authority";
/// A chain and a key are some kilobytes.
const FILE_BYTES_MAX: u64 = 256 * 1024;

/// Why TLS cannot be served.
#[derive(Debug, Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{}: cannot be read ({source}); see http.tls", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{}: holds no {what} in PEM; see http.tls", path.display())]
    Content {
        /// Which.
        path: PathBuf,
        /// What is missing.
        what: &'static str,
    },
    /// Certificate and key cannot be used.
    #[error("the certificate {} and its key cannot be used together ({detail}); see http.tls", path.display())]
    Pair {
        /// The certificate.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// A certificate could not be made.
    #[error("a certificate could not be made ({0}); a name in http.names may be none")]
    Making(String),
    /// The store did not keep or give the authority.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is shown to browsers; cheap to clone.
#[derive(Clone)]
pub struct Certificates {
    shown: Arc<Shown>,
    /// The authority's certificate in DER, for phones to trust; `None` with certificates of the owner's.
    authority: Option<Arc<[u8]>>,
}

struct Shown(RwLock<Arc<CertifiedKey>>);

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner)))
    }
}

impl Certificates {
    fn new(first: CertifiedKey, authority: Option<&Authority>) -> Self {
        Self {
            shown: Arc::new(Shown(RwLock::new(Arc::new(first)))),
            authority: authority.map(|authority| authority.certificate().into()),
        }
    }

    fn show(&self, next: CertifiedKey) {
        *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
    }

    /// The authority's certificate in DER.
    pub fn authority(&self) -> Option<&[u8]> {
        self.authority.as_deref()
    }

    /// Takes connections as the server.
    ///
    /// # Errors
    /// Never in practice: both versions are part of the provider.
    pub fn acceptor(&self) -> Result<TlsAcceptor, TlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])
            .map_err(|error| TlsError::Making(error.to_string()))?
            .with_no_client_auth()
            .with_cert_resolver(Arc::<Shown>::clone(&self.shown));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

/// What renews the certificates.
pub struct Keeper {
    certificates: Certificates,
    source: Source,
}

enum Source {
    Own {
        authority: Box<Authority>,
        further: Vec<String>,
        made_for: Vec<String>,
        made_at: UnixMillis,
    },
    Files {
        cert: PathBuf,
        key: PathBuf,
        seen: [Option<Stamp>; 2],
    },
}

/// By what a changed file is known.
type Stamp = (SystemTime, u64);

fn stamp(path: &Path) -> Option<Stamp> {
    let file = path.metadata().ok()?;
    Some((file.modified().ok()?, file.len()))
}

/// What is to be served and what keeps it; `None` without TLS.
///
/// # Errors
/// When files cannot be used, or the hub's own authority cannot be made or kept.
pub async fn open(tls: &Tls, store: &Store, now: UnixMillis) -> Result<Option<Keeper>, TlsError> {
    match tls {
        Tls::Off => Ok(None),
        Tls::Files { cert, key } => {
            let seen = [stamp(cert), stamp(key)];
            let certificates = Certificates::new(read(cert, key)?, None);
            let source = Source::Files {
                cert: cert.clone(),
                key: key.clone(),
                seen,
            };
            Ok(Some(Keeper { certificates, source }))
        }
        Tls::Own { names: further } => {
            let authority = own_authority(store, further).await?;
            let made_for = names::all(further);
            let first = authority.issue(&made_for, now)?;
            let certificates = Certificates::new(first, Some(&authority));
            tracing::info!(
                names = %made_for.join(", "),
                authority = %authority.fingerprint(),
                "the hub's own certificate"
            );
            let source = Source::Own {
                authority: Box::new(authority),
                further: further.clone(),
                made_for,
                made_at: now,
            };
            Ok(Some(Keeper { certificates, source }))
        }
    }
}

/// The authority of the first start, or a new one when the configuration names what the old one may not vouch for.
async fn own_authority(store: &Store, further: &[String]) -> Result<Authority, TlsError> {
    // A text of ours that is a name.
    let owner = RadioName::parse(SECRET_OF).map_err(|error| TlsError::Making(error.to_string()))?;
    if let Some(kept) = store.secret(&owner, SECRET).await? {
        let authority = Authority::from_kept(kept.expose())?;
        let strange: Vec<&str> = further
            .iter()
            .map(String::as_str)
            .filter(|name| !authority.may_vouch_for(name))
            .collect();
        if strange.is_empty() {
            return Ok(authority);
        }
        tracing::warn!(
            names = %strange.join(", "),
            "the hub's authority may not vouch for these names, so a new one is made; phones have to trust it again"
        );
    }
    let mut id = [0; 3];
    getrandom::fill(&mut id).map_err(|_| StoreError::Random)?;
    let authority = Authority::make(&crate::store::shape::hex(&id), further)?;
    store
        .put_secret(&owner, SECRET, SecretBytes::new(authority.to_kept()))
        .await?;
    Ok(authority)
}

impl Keeper {
    /// What is shown.
    pub fn certificates(&self) -> &Certificates {
        &self.certificates
    }

    /// Renews what is shown when it is time, until the stop.
    pub async fn keep(mut self, every: Duration, clock: fn() -> UnixMillis, stop: CancellationToken) {
        let mut looks = interval(every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = looks.tick() => self.look(clock()),
            }
        }
    }

    fn look(&mut self, now: UnixMillis) {
        match &mut self.source {
            Source::Own {
                authority,
                further,
                made_for,
                made_at,
            } => {
                let names = names::all(further);
                if names == *made_for && !authority::is_due(*made_at, now) {
                    return;
                }
                match authority.issue(&names, now) {
                    Ok(next) => {
                        tracing::info!(names = %names.join(", "), "the hub's certificate is renewed");
                        self.certificates.show(next);
                    }
                    Err(error) => tracing::warn!(%error, "the hub's certificate is not renewed"),
                }
                // One that failed fails again until something changes.
                (*made_for, *made_at) = (names, now);
            }
            Source::Files { cert, key, seen } => {
                let found = [stamp(cert), stamp(key)];
                if found == *seen {
                    return;
                }
                *seen = found;
                match read(cert, key) {
                    Ok(next) => {
                        tracing::info!(cert = %cert.display(), "the certificate was read again");
                        self.certificates.show(next);
                    }
                    Err(error) => {
                        tracing::warn!(%error, "the changed certificate is not used; the one before is shown still");
                    }
                }
            }
        }
    }
}

/// Reads a chain and its key and sees that they belong together.
///
/// # Errors
/// When one cannot be read, or they do not.
pub fn read(cert: &Path, key: &Path) -> Result<CertifiedKey, TlsError> {
    let bytes = |path: &Path| -> Result<zeroize::Zeroizing<Vec<u8>>, TlsError> {
        let failed = |source| TlsError::File {
            path: path.to_owned(),
            source,
        };
        let mut bytes = zeroize::Zeroizing::new(Vec::new());
        let file = std::fs::File::open(path).map_err(failed)?;
        io::Read::read_to_end(&mut io::Read::take(file, FILE_BYTES_MAX), &mut bytes).map_err(failed)?;
        Ok(bytes)
    };
    let content = |path: &Path, what| TlsError::Content {
        path: path.to_owned(),
        what,
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&bytes(cert)?)
        .collect::<Result<_, _>>()
        .map_err(|_| content(cert, "certificate"))?;
    if chain.is_empty() {
        return Err(content(cert, "certificate"));
    }
    let key = PrivateKeyDer::from_pem_slice(&bytes(key)?).map_err(|_| content(key, "private key"))?;
    pair(chain, key).map_err(|detail| TlsError::Pair {
        path: cert.to_owned(),
        detail,
    })
}

fn pair(chain: Vec<CertificateDer<'static>>, key: PrivateKeyDer<'static>) -> Result<CertifiedKey, String> {
    CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
