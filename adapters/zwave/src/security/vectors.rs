//! The known answers beside the tests (`tests/data/vectors.json`, `tests/data/silabs-kderiv.json`), typed.

use serde_json::Value;

/// Decodes hexadecimal text of exactly `N` bytes.
pub(crate) fn hex<const N: usize>(text: &str) -> [u8; N] {
    bytes(text)
        .try_into()
        .expect("the vector has the expected length")
}

/// Decodes hexadecimal text.
pub(crate) fn bytes(text: &str) -> Vec<u8> {
    assert!(text.len().is_multiple_of(2), "odd number of hexadecimal digits");
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal"))
        .collect()
}

pub(crate) struct NetworkKeyVector {
    pub(crate) pnk: [u8; 16],
    pub(crate) ccm: [u8; 16],
    pub(crate) mpan: [u8; 16],
    pub(crate) personalization: [u8; 32],
}

pub(crate) struct TempVector {
    pub(crate) shared: [u8; 32],
    pub(crate) controller_public: [u8; 32],
    pub(crate) node_public: [u8; 32],
    pub(crate) prk: [u8; 16],
    pub(crate) ccm: [u8; 16],
    pub(crate) personalization: [u8; 32],
}

pub(crate) struct SpanVector {
    pub(crate) pnk: [u8; 16],
    pub(crate) sender_ei: [u8; 16],
    pub(crate) receiver_ei: [u8; 16],
    pub(crate) nonce_prk: [u8; 16],
    pub(crate) mei: [u8; 32],
    pub(crate) nonces: Vec<[u8; 13]>,
}

/// All known answers.
pub(crate) struct Vectors {
    pub(crate) network_keys: Vec<NetworkKeyVector>,
    pub(crate) temp: Vec<TempVector>,
    pub(crate) span: SpanVector,
    /// The file as it is, for what needs no type of its own.
    pub(crate) json: Value,
}

fn get<const N: usize>(value: &Value, key: &str) -> [u8; N] {
    hex(value[key].as_str().expect(key))
}

impl Vectors {
    pub(crate) fn load() -> Self {
        let json: Value = serde_json::from_str(include_str!("../../tests/data/vectors.json")).expect("json");
        let silabs: Value =
            serde_json::from_str(include_str!("../../tests/data/silabs-kderiv.json")).expect("json");
        let mut network_keys: Vec<_> = json["s2_network_keys"]
            .as_array()
            .expect("array")
            .iter()
            .map(|vector| NetworkKeyVector {
                pnk: get(vector, "pnk"),
                ccm: get(vector, "key_ccm"),
                mpan: get(vector, "key_mpan"),
                personalization: get(vector, "personalization"),
            })
            .collect();
        network_keys.push(NetworkKeyVector {
            pnk: get(&silabs, "network_key"),
            ccm: get(&silabs, "ccm"),
            mpan: get(&silabs, "mpan"),
            personalization: get(&silabs, "pers"),
        });
        let temp = &json["s2_temp"];
        let both: [u8; 64] = get(&silabs, "pubkeys_concat");
        let temp = vec![
            TempVector {
                shared: get(temp, "shared"),
                controller_public: get(temp, "ctrl_pub"),
                node_public: get(temp, "node_pub"),
                prk: get(temp, "prk"),
                ccm: get(temp, "temp_key_ccm"),
                personalization: get(temp, "temp_personalization"),
            },
            TempVector {
                shared: get(&silabs, "ecdh_shared"),
                controller_public: both[..32].try_into().expect("32"),
                node_public: both[32..].try_into().expect("32"),
                prk: get(&silabs, "prk"),
                ccm: get(&silabs, "temp_ccm"),
                personalization: get(&silabs, "temp_pers"),
            },
        ];
        let span = &json["s2_span"];
        let span = SpanVector {
            pnk: get(span, "pnk"),
            sender_ei: get(span, "sender_ei"),
            receiver_ei: get(span, "receiver_ei"),
            nonce_prk: get(span, "nonce_prk"),
            mei: get(span, "mei"),
            nonces: span["nonces"]
                .as_array()
                .expect("array")
                .iter()
                .map(|n| hex(n.as_str().expect("hex")))
                .collect(),
        };
        Self {
            network_keys,
            temp,
            span,
            json,
        }
    }
}
