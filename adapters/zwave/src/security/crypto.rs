//! The primitives of S0 and S2 over RustCrypto: every formula once, each checked against known answers.
//!
//! Nothing here keeps state but [`CtrDrbg`], and nothing here can fail on what a radio may send: a ciphertext that
//! does not authenticate is `None`.

use aes::Aes128;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use ccm::aead::{Aead, Payload};
use ccm::consts::{U8, U13};
use cmac::{Cmac, Mac};
use hubd_model::Key128;
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// One AES block.
pub type Block = [u8; 16];

/// The nonce of one S2 frame.
pub type Nonce13 = [u8; 13];

/// Encrypts one block.
pub fn aes_block(key: &Block, block: &Block) -> Block {
    let mut out = (*block).into();
    Aes128::new(&(*key).into()).encrypt_block(&mut out);
    out.into()
}

/// AES-CMAC over the concatenation of `parts`.
///
/// Spec: RFC 4493
pub fn cmac(key: &Block, parts: &[&[u8]]) -> Block {
    let mut mac = <Cmac<Aes128> as KeyInit>::new(&(*key).into());
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// 32 secret bytes, wiped when dropped: a personalization string or a mixed entropy input.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Secret32([u8; 32]);

impl Secret32 {
    fn new(low: &Block, high: &Block) -> Self {
        let mut bytes = [0; 32];
        let (first, second) = bytes.split_at_mut(16);
        first.copy_from_slice(low);
        second.copy_from_slice(high);
        Self(bytes)
    }

    /// Shows the bytes to a cipher.
    pub const fn expose(&self) -> &[u8; 32] {
        &self.0
    }
}

impl std::fmt::Debug for Secret32 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What one S2 key expands to.
#[derive(Debug, Clone)]
pub struct Expanded {
    /// Encrypts and authenticates frames.
    pub ccm: Key128,
    /// Goes into the nonce generator.
    pub personalization: Secret32,
    /// Generates multicast nonces; a temporary key has none.
    pub mpan: Option<Key128>,
}

/// `tag` fifteen times, then `counter`.
const fn constant(tag: u8, counter: u8) -> Block {
    let mut block = [tag; 16];
    block[15] = counter;
    block
}

/// Expands a network key.
///
/// Spec: CC:009F, CKDF-NetworkKeyExpand
pub fn network_key_expand(key: &Key128) -> Expanded {
    let key = key.expose();
    let t1 = cmac(key, &[&constant(0x55, 1)]);
    let t2 = cmac(key, &[&t1, &constant(0x55, 2)]);
    let t3 = cmac(key, &[&t2, &constant(0x55, 3)]);
    let t4 = cmac(key, &[&t3, &constant(0x55, 4)]);
    Expanded {
        ccm: Key128::new(t1),
        personalization: Secret32::new(&t2, &t3),
        mpan: Some(Key128::new(t4)),
    }
}

/// The pseudo-random key of a key exchange.
///
/// Spec: CC:009F, CKDF-TempExtract
pub fn temp_extract(shared: &[u8; 32], controller_public: &[u8; 32], node_public: &[u8; 32]) -> Key128 {
    Key128::new(cmac(&[0x33; 16], &[shared, controller_public, node_public]))
}

/// Expands the pseudo-random key of a key exchange to the temporary key.
///
/// Spec: CC:009F, CKDF-TempExpand
pub fn temp_expand(prk: &Key128) -> Expanded {
    let key = prk.expose();
    let t1 = cmac(key, &[&constant(0x88, 1)]);
    let t2 = cmac(key, &[&t1, &constant(0x88, 2)]);
    let t3 = cmac(key, &[&t2, &constant(0x88, 3)]);
    Expanded {
        ccm: Key128::new(t1),
        personalization: Secret32::new(&t2, &t3),
        mpan: None,
    }
}

/// The pseudo-random key of a nonce generator.
///
/// Spec: CC:009F, CKDF-MEI-Extract
pub fn mei_extract(sender: &Block, receiver: &Block) -> Key128 {
    Key128::new(cmac(&[0x26; 16], &[sender, receiver]))
}

/// The mixed entropy input of a nonce generator.
///
/// Spec: CC:009F, CKDF-MEI-Expand
pub fn mei_expand(prk: &Key128) -> Secret32 {
    let key = prk.expose();
    let t1 = cmac(key, &[&constant(0x88, 0), &constant(0x88, 1)]);
    let t2 = cmac(key, &[&t1, &constant(0x88, 2)]);
    Secret32::new(&t1, &t2)
}

/// The nonce generator of a SPAN: CTR_DRBG with AES-128 and no derivation function, never reseeded.
///
/// Spec: NIST SP 800-90A 10.2.1
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct CtrDrbg {
    key: Block,
    v: Block,
}

impl std::fmt::Debug for CtrDrbg {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CtrDrbg([redacted])")
    }
}

impl CtrDrbg {
    /// Instantiates from 32 bytes of entropy and a personalization string.
    pub fn new(entropy: &[u8; 32], personalization: &[u8; 32]) -> Self {
        let mut seed = Zeroizing::new([0_u8; 32]);
        for (byte, (a, b)) in seed.iter_mut().zip(entropy.iter().zip(personalization)) {
            *byte = a ^ b;
        }
        let mut drbg = Self {
            key: [0; 16],
            v: [0; 16],
        };
        drbg.update(&seed);
        drbg
    }

    fn step(&mut self) -> Block {
        self.v = u128::from_be_bytes(self.v).wrapping_add(1).to_be_bytes();
        aes_block(&self.key, &self.v)
    }

    fn update(&mut self, data: &[u8; 32]) {
        let mut key = self.step();
        let mut v = self.step();
        let (low, high) = data.split_at(16);
        key.iter_mut().zip(low).for_each(|(byte, with)| *byte ^= with);
        v.iter_mut().zip(high).for_each(|(byte, with)| *byte ^= with);
        self.key = key;
        self.v = v;
    }

    /// The next 16 bytes.
    pub fn block(&mut self) -> Block {
        let out = self.step();
        self.update(&[0; 32]);
        out
    }

    /// The next frame nonce: the first 13 of the next 16 bytes.
    pub fn nonce(&mut self) -> Nonce13 {
        let [nonce @ .., _, _, _] = self.block();
        nonce
    }
}

type S2Ccm = ccm::Ccm<Aes128, U8, U13>;

/// How many bytes authenticate an S2 frame.
pub const CCM_TAG_LEN: usize = 8;

/// Encrypts `plain`; the 8-byte tag follows the ciphertext. `None` only for a plaintext of 64 KiB or more.
pub fn ccm_seal(key: &Key128, nonce: &Nonce13, aad: &[u8], plain: &[u8]) -> Option<Vec<u8>> {
    let cipher = S2Ccm::new(&(*key.expose()).into());
    cipher.encrypt(&(*nonce).into(), Payload { msg: plain, aad }).ok()
}

/// Decrypts what [`ccm_seal`] made; `None` when it does not authenticate.
pub fn ccm_open(key: &Key128, nonce: &Nonce13, aad: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let cipher = S2Ccm::new(&(*key.expose()).into());
    cipher
        .decrypt(&(*nonce).into(), Payload { msg: sealed, aad })
        .ok()
}

/// AES in output feedback mode, the S0 frame cipher; encrypting twice decrypts.
///
/// Spec: CC:0098, S0 confidentiality
pub fn ofb(key: &Key128, iv: &Block, data: &mut [u8]) {
    let mut feedback = *iv;
    for chunk in data.chunks_mut(16) {
        feedback = aes_block(key.expose(), &feedback);
        chunk
            .iter_mut()
            .zip(feedback)
            .for_each(|(byte, with)| *byte ^= with);
    }
    feedback.zeroize();
}

/// The S0 frame authenticator: AES-CBC-MAC over the zero-padded data, its first 8 bytes.
///
/// Spec: CC:0098, S0 authentication
pub fn cbc_mac(key: &Key128, data: &[u8]) -> [u8; 8] {
    let mut state = [0_u8; 16];
    for chunk in data.chunks(16) {
        state.iter_mut().zip(chunk).for_each(|(byte, with)| *byte ^= with);
        state = aes_block(key.expose(), &state);
    }
    let [mac @ .., _, _, _, _, _, _, _, _] = state;
    mac
}

/// Compares two authenticators in constant time.
pub fn same(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::security::vectors::{Vectors, hex};

    fn key(text: &str) -> Key128 {
        Key128::new(hex(text))
    }

    #[test]
    fn cmac_matches_rfc_4493() {
        let k = hex("2b7e151628aed2a6abf7158809cf4f3c");
        assert_eq!(cmac(&k, &[]), hex("bb1d6929e95937287fa37d129b756746"));
        let message: [u8; 40] =
            hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411");
        let (head, tail) = message.split_at(7);
        assert_eq!(cmac(&k, &[head, tail]), hex("dfa66747de9ae63030ca32611497c827"));
    }

    #[test]
    fn network_keys_expand_to_the_known_answers() {
        let vectors = Vectors::load();
        assert_eq!(vectors.network_keys.len(), 5);
        for vector in vectors.network_keys {
            let expanded = network_key_expand(&Key128::new(vector.pnk));
            assert_eq!(expanded.ccm.expose(), &vector.ccm);
            assert_eq!(expanded.personalization.expose(), &vector.personalization);
            assert_eq!(expanded.mpan.expect("mpan").expose(), &vector.mpan);
        }
    }

    #[test]
    fn temporary_keys_match_the_known_answers() {
        let vectors = Vectors::load();
        assert_eq!(vectors.temp.len(), 2);
        for vector in vectors.temp {
            let prk = temp_extract(&vector.shared, &vector.controller_public, &vector.node_public);
            assert_eq!(prk.expose(), &vector.prk);
            let expanded = temp_expand(&prk);
            assert_eq!(expanded.ccm.expose(), &vector.ccm);
            assert_eq!(expanded.personalization.expose(), &vector.personalization);
        }
    }

    #[test]
    fn span_nonces_match_the_known_answers() {
        let span = Vectors::load().span;
        let prk = mei_extract(&span.sender_ei, &span.receiver_ei);
        assert_eq!(prk.expose(), &span.nonce_prk);
        let mei = mei_expand(&prk);
        assert_eq!(mei.expose(), &span.mei);
        let personalization = network_key_expand(&Key128::new(span.pnk)).personalization;
        let mut drbg = CtrDrbg::new(mei.expose(), personalization.expose());
        assert_eq!(span.nonces.len(), 8);
        for nonce in span.nonces {
            assert_eq!(drbg.nonce(), nonce);
        }
    }

    #[test]
    fn ofb_matches_nist_sp_800_38a() {
        let k = key("2b7e151628aed2a6abf7158809cf4f3c");
        let mut data: [u8; 32] = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51");
        ofb(&k, &hex("000102030405060708090a0b0c0d0e0f"), &mut data);
        assert_eq!(
            data,
            hex("3b3fd92eb72dad20333449f8e83cfb4a7789508d16918f03f53c52dac54ed825")
        );
    }

    #[test]
    fn a_changed_bit_anywhere_fails_to_open() {
        let k = key("000102030405060708090a0b0c0d0e0f");
        let sealed = ccm_seal(&k, &[9; 13], b"aad", b"62 01 ff").expect("short");
        assert_eq!(
            ccm_open(&k, &[9; 13], b"aad", &sealed).as_deref(),
            Some(&b"62 01 ff"[..])
        );
        for bit in 0..sealed.len() * 8 {
            let mut bad = sealed.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(ccm_open(&k, &[9; 13], b"aad", &bad), None);
        }
        assert_eq!(ccm_open(&k, &[9; 13], b"aae", &sealed), None);
        assert_eq!(ccm_open(&k, &[9; 13], b"aad", &[]), None);
    }
}
