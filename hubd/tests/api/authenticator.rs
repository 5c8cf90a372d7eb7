//! An authenticator and a browser in software, which also lie when they are told to.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Somebody is there, and was recognised.
pub(crate) const SEEN: u8 = 0x05;

pub(crate) fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn bytes(text: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text.as_str().unwrap()).unwrap()
}

/// A passkey on a device.
pub(crate) struct Authenticator {
    key: EcdsaKeyPair,
    pub(crate) credential: Vec<u8>,
    pub(crate) counter: u32,
}

/// What an answer says; the truth, unless a test changes it.
#[derive(Clone)]
pub(crate) struct Says {
    pub(crate) kind: String,
    pub(crate) challenge: String,
    pub(crate) origin: String,
    pub(crate) cross_origin: bool,
    pub(crate) name: String,
    pub(crate) flags: u8,
    pub(crate) counter: u32,
    pub(crate) credential: Vec<u8>,
    pub(crate) user: Option<Vec<u8>>,
}

impl Says {
    fn client_data(&self) -> Vec<u8> {
        json!({
            "type": self.kind, "challenge": self.challenge, "origin": self.origin, "crossOrigin": self.cross_origin,
        })
        .to_string()
        .into_bytes()
    }

    fn data(&self) -> Vec<u8> {
        let mut data = Sha256::digest(self.name.as_bytes()).to_vec();
        data.push(self.flags);
        data.extend_from_slice(&self.counter.to_be_bytes());
        data
    }
}

impl Authenticator {
    pub(crate) fn new() -> Self {
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random).unwrap();
        let key =
            EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, document.as_ref(), &random).unwrap();
        let mut credential = vec![0; 32];
        random.fill(&mut credential).unwrap();
        Self {
            key,
            credential,
            counter: 0,
        }
    }

    /// The truth about this request on this page.
    fn truth(&self, kind: &str, asked: &Value, page: &str) -> Says {
        Says {
            kind: kind.into(),
            challenge: asked["challenge"].as_str().unwrap().into(),
            origin: page.into(),
            cross_origin: false,
            name: asked["rp_id"].as_str().unwrap().into(),
            flags: SEEN,
            counter: self.counter,
            credential: self.credential.clone(),
            user: None,
        }
    }

    /// Its public key in COSE form.
    fn cose(&self) -> Vec<u8> {
        let point = self.key.public_key().as_ref();
        [
            &[0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20][..],
            &point[1..33],
            &[0x22, 0x58, 0x20],
            &point[33..],
        ]
        .concat()
    }

    /// The body that adds this passkey.
    pub(crate) fn make(&self, name: &str, asked: &Value, page: &str, lie: impl FnOnce(&mut Says)) -> String {
        let mut says = self.truth("webauthn.create", asked, page);
        says.flags |= 0x40;
        lie(&mut says);
        let mut data = says.data();
        if says.flags & 0x40 != 0 {
            data.extend_from_slice(&[7; 16]);
            data.extend_from_slice(&u16::try_from(says.credential.len()).unwrap().to_be_bytes());
            data.extend_from_slice(&says.credential);
            data.extend_from_slice(&self.cose());
        }
        let length = u16::try_from(data.len()).unwrap().to_be_bytes();
        let attestation = [
            &[0xa3, 0x63][..],
            b"fmt",
            &[0x64],
            b"none",
            &[0x67],
            b"attStmt",
            &[0xa0, 0x68],
            b"authData",
            &[0x59],
            &length,
            &data,
        ]
        .concat();
        json!({"name": name, "client_data": text(&says.client_data()), "attestation": text(&attestation)})
            .to_string()
    }

    /// Its answer to a request; whatever it says is signed by its key.
    pub(crate) fn answer(&mut self, asked: &Value, page: &str, lie: impl FnOnce(&mut Says)) -> Value {
        self.counter += 1;
        let mut says = self.truth("webauthn.get", asked, page);
        lie(&mut says);
        let (client_data, data) = (says.client_data(), says.data());
        let mut signed = data.clone();
        signed.extend_from_slice(&Sha256::digest(&client_data));
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        let mut answer = json!({
            "credential": text(&says.credential), "client_data": text(&client_data),
            "authenticator_data": text(&data), "signature": text(signature.as_ref()),
        });
        if let Some(user) = &says.user {
            answer["user"] = text(user).into();
        }
        answer
    }
}
