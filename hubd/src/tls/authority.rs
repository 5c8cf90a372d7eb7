//! The hub's own certificate authority: made at the first start, sealed like every key, trusted by phones once.
//!
//! Promise: it may vouch for names and addresses of homes, and for those that the owner configured, and for nothing
//! else. A thief of its key cannot use it against the bank.
//!
//! Spec: RFC 5280 4.2.1.10 (name constraints).

use std::net::IpAddr;

use hubd_model::UnixMillis;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, SanType, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{TlsError, names};

const DAY_MS: i64 = 24 * 3_600_000;
/// Less than the 398 days after which browsers stop to believe.
const VALID_DAYS: i64 = 390;
/// It is renewed long before.
const RENEW_AFTER_MS: i64 = 200 * DAY_MS;
/// What homes call their machines.
const SUFFIXES: [&str; 8] = [
    "localhost",
    "local",
    "lan",
    "home",
    "home.arpa",
    "internal",
    "fritz.box",
    "ts.net",
];
/// What homes number their machines with.
const NETWORKS: [(&str, u8); 9] = [
    ("127.0.0.0", 8),
    ("10.0.0.0", 8),
    ("172.16.0.0", 12),
    ("192.168.0.0", 16),
    ("169.254.0.0", 16),
    ("100.64.0.0", 10),
    ("::1", 128),
    ("fc00::", 7),
    ("fe80::", 10),
];

/// The authority with its key.
pub struct Authority {
    id: String,
    /// Names and addresses of the configuration, and the machine's name when it was made.
    further: Vec<String>,
    key: KeyPair,
    certificate: Vec<u8>,
}

/// How it is kept, sealed.
#[derive(Serialize, Deserialize)]
struct Kept {
    id: String,
    further: Vec<String>,
    key_der: Vec<u8>,
    certificate_der: Vec<u8>,
}

#[expect(clippy::needless_pass_by_value, reason = "it is given to map_err")]
fn making(error: rcgen::Error) -> TlsError {
    TlsError::Making(error.to_string())
}

impl Authority {
    /// Makes one that may vouch for homes, for this machine and for these names.
    ///
    /// # Errors
    /// When a name is none.
    pub fn make(id: &str, further: &[String]) -> Result<Self, TlsError> {
        let mut further: Vec<String> = further.to_vec();
        let host = names::all(&[]).into_iter().filter(|name| names::is_dns(name));
        further.extend(host.filter(|name| !has_suffix(name, SUFFIXES)));
        further.sort_unstable();
        further.dedup();
        let key = KeyPair::generate().map_err(making)?;
        let mut params = params(id);
        let mut permitted: Vec<GeneralSubtree> = SUFFIXES
            .iter()
            .map(|suffix| GeneralSubtree::DnsName((*suffix).to_owned()))
            .collect();
        let networks = NETWORKS
            .iter()
            .filter_map(|(address, prefix)| Some((address.parse().ok()?, *prefix)));
        permitted.extend(networks.map(|(address, prefix)| subnet(address, prefix)));
        permitted.extend(further.iter().map(|name| match name.parse::<IpAddr>() {
            Ok(address @ IpAddr::V4(_)) => subnet(address, 32),
            Ok(address @ IpAddr::V6(_)) => subnet(address, 128),
            Err(_) => GeneralSubtree::DnsName(name.clone()),
        }));
        params.name_constraints = Some(NameConstraints {
            permitted_subtrees: permitted,
            excluded_subtrees: Vec::new(),
        });
        let certificate = params.self_signed(&key).map_err(making)?.der().to_vec();
        Ok(Self {
            id: id.to_owned(),
            further,
            key,
            certificate,
        })
    }

    /// From what [`Authority::to_kept`] made.
    ///
    /// # Errors
    /// When it is something else.
    pub fn from_kept(bytes: &[u8]) -> Result<Self, TlsError> {
        let kept: Kept = serde_json::from_slice(bytes)
            .map_err(|_| TlsError::Making("the kept authority is none".into()))?;
        let key_der = Zeroizing::new(kept.key_der);
        let key = KeyPair::try_from(key_der.as_slice()).map_err(making)?;
        Ok(Self {
            id: kept.id,
            further: kept.further,
            key,
            certificate: kept.certificate_der,
        })
    }

    /// What is sealed of it: key and certificate.
    pub fn to_kept(&self) -> Vec<u8> {
        let kept = Kept {
            id: self.id.clone(),
            further: self.further.clone(),
            key_der: self.key.serialize_der(),
            certificate_der: self.certificate.clone(),
        };
        let bytes = serde_json::to_vec(&kept).unwrap_or_default();
        drop(Zeroizing::new(kept.key_der));
        bytes
    }

    /// Its certificate in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// The SHA-256 of its certificate, as browsers and phones show it.
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(&self.certificate);
        let parts: Vec<String> = digest.iter().map(|byte| format!("{byte:02X}")).collect();
        parts.join(":")
    }

    /// Whether it may vouch for this name or address.
    pub fn may_vouch_for(&self, name: &str) -> bool {
        match name.parse::<IpAddr>() {
            Ok(address) => names::is_home(address) || self.further.iter().any(|known| known == name),
            Err(_) => has_suffix(name, SUFFIXES) || has_suffix(name, self.further.iter().map(String::as_str)),
        }
    }

    /// A new key and certificate for those of these names that it may vouch for.
    ///
    /// # Errors
    /// When a name is none.
    pub fn issue(&self, names: &[String], now: UnixMillis) -> Result<CertifiedKey, TlsError> {
        let (good, strange): (Vec<&String>, Vec<&String>) =
            names.iter().partition(|name| self.may_vouch_for(name));
        for name in strange {
            tracing::warn!(%name, "the hub's authority may not vouch for this name; it is left out");
        }
        self.sign(good, now)
    }

    pub(super) fn sign<'n>(
        &self,
        names: impl IntoIterator<Item = &'n String>,
        now: UnixMillis,
    ) -> Result<CertifiedKey, TlsError> {
        let key = KeyPair::generate().map_err(making)?;
        let mut leaf = CertificateParams::default();
        leaf.distinguished_name = DistinguishedName::new();
        leaf.distinguished_name.push(DnType::CommonName, "hubd");
        for name in names {
            leaf.subject_alt_names.push(match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(name.as_str().try_into().map_err(making)?),
            });
        }
        leaf.is_ca = IsCa::ExplicitNoCa;
        leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        leaf.use_authority_key_identifier_extension = true;
        let (year, month, of_month) = day(now.0.saturating_sub(2 * DAY_MS));
        leaf.not_before = date_time_ymd(year, month, of_month);
        let (year, month, of_month) = day(now.0.saturating_add(VALID_DAYS * DAY_MS));
        leaf.not_after = date_time_ymd(year, month, of_month);
        let params = params(&self.id);
        let issuer = Issuer::from_params(&params, &self.key);
        let signed = leaf.signed_by(&key, &issuer).map_err(making)?;
        let chain = vec![
            signed.der().clone(),
            CertificateDer::from(self.certificate.clone()),
        ];
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        super::pair(chain, key).map_err(TlsError::Making)
    }
}

/// Whether a certificate of that day is to be renewed. A date that was set back counts, too: the certificate may lie
/// in the future then.
pub(super) fn is_due(made_at: UnixMillis, now: UnixMillis) -> bool {
    let age = now.0.saturating_sub(made_at.0);
    !(-DAY_MS..RENEW_AFTER_MS).contains(&age)
}

fn params(id: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("hubd authority {id}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    // Fixed, as a hub may be started for the first time with a clock that nobody set.
    params.not_before = date_time_ymd(2025, 1, 1);
    params.not_after = date_time_ymd(2055, 1, 1);
    params
}

fn subnet(address: IpAddr, prefix: u8) -> GeneralSubtree {
    GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, prefix))
}

fn has_suffix<'n>(name: &str, suffixes: impl IntoIterator<Item = &'n str>) -> bool {
    suffixes.into_iter().any(|suffix| {
        name.strip_suffix(suffix)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// The calendar's day as year, month and day, within the years that certificates can say.
fn day(at: i64) -> (i32, u8, u8) {
    const FIRST_MS: i64 = 1_577_836_800_000;
    const LAST_MS: i64 = 2_500_000_000_000;
    let at = jiff::Timestamp::from_millisecond(at.clamp(FIRST_MS, LAST_MS)).unwrap_or_default();
    let date = at.to_zoned(jiff::tz::TimeZone::UTC).date();
    let part = |part: i8| u8::try_from(part).unwrap_or(1);
    (i32::from(date.year()), part(date.month()), part(date.day()))
}
