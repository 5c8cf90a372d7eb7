//! What an owner brings along from Z-Wave JS: the network's keys, and what its host had learnt of the nodes, so that no
//! lock is included or woken again. Any text is read or refused; no key and no code is repeated in a fault.
//!
//! The node cache is a file of JSON lines, `HOMEID.jsonl`: a later line of the same key counts, and a line without a value
//! takes the key away. What is not understood is left out and asked of the node itself.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::host::{CacheError, Provisioned, save_cache};
use crate::node::Node;
use crate::security::{ClassSet, Dsk, SecurityClass};
use crate::wire::cc::class;
use crate::wire::serial::{NodeId, ProtocolInfo};

/// More than any home's cache.
pub const CACHE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A Z-Wave network has at most 232 nodes and 4,000 long range ones. Spec: SDS10242.
const NODES_MAX: usize = 4_232;

/// Why something of Z-Wave JS cannot be taken over.
#[derive(Debug, Error)]
pub enum ImportError {
    /// The keys' file is not JSON.
    #[error(
        "the file with the keys is not JSON at line {0}; give settings.json of Z-Wave JS UI, or .storage/core.config_entries of Home Assistant"
    )]
    KeysNotJson(usize),
    /// There are no keys in it.
    #[error(
        "there are no Z-Wave keys in that file; give settings.json of Z-Wave JS UI, .storage/core.config_entries of Home \
         Assistant, or an object with S0_Legacy, S2_Unauthenticated, S2_Authenticated and S2_AccessControl"
    )]
    NoKeys,
    /// A line of the cache is not one.
    #[error(
        "line {0} of the node cache is no entry of Z-Wave JS; give the file HOMEID.jsonl, not .values.jsonl or .metadata.jsonl"
    )]
    BadLine(usize),
    /// Another format.
    #[error(
        "the node cache has format {0}, and only 1 and 2 are known; the keys alone can be taken over without it"
    )]
    Format(u64),
    /// No node in it.
    #[error("there is no node in that cache; give the file HOMEID.jsonl of your network")]
    NoNodes,
    /// More nodes than a network has.
    #[error("there are more nodes in that cache than a network has; it is damaged")]
    TooManyNodes,
    /// It could not be written in our own form.
    #[error(transparent)]
    Cache(#[from] CacheError),
}

/// What was taken over of the nodes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedNodes {
    /// The node cache in our own form.
    pub cache: Vec<u8>,
    /// How many nodes it knows, without the dongle.
    pub nodes: usize,
    /// How many of them have a key.
    pub secure: usize,
    /// How many devices may join by SmartStart.
    pub expected: usize,
}

/// Finds the keys in what Z-Wave JS UI or Home Assistant keeps, and answers with the object that Z-Wave JS itself takes.
///
/// # Errors
/// When there are none.
pub fn find_keys(text: &str) -> Result<Zeroizing<String>, ImportError> {
    let json: Value = serde_json::from_str(text).map_err(|error| ImportError::KeysNotJson(error.line()))?;
    let own = |object: &Value| -> Option<Map<String, Value>> {
        let keys = object.as_object()?;
        let known = [
            "S0_Legacy",
            "S2_Unauthenticated",
            "S2_Authenticated",
            "S2_AccessControl",
        ];
        let found: Map<String, Value> = known
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), keys.get(name).filter(|key| is_set(key))?.clone())))
            .collect();
        (!found.is_empty()).then_some(found)
    };
    let home_assistant = |entry: &Value| -> Option<Map<String, Value>> {
        if entry.get("domain")?.as_str()? != "zwave_js" {
            return None;
        }
        let data = entry.get("data")?;
        let names = [
            ("S0_Legacy", "s0_legacy_key"),
            ("S2_Unauthenticated", "s2_unauthenticated_key"),
            ("S2_Authenticated", "s2_authenticated_key"),
            ("S2_AccessControl", "s2_access_control_key"),
        ];
        let mut found: Map<String, Value> = names
            .into_iter()
            .filter_map(|(name, key)| {
                Some((name.to_owned(), data.get(key).filter(|key| is_set(key))?.clone()))
            })
            .collect();
        // Entries from before S2 know only this one.
        if !found.contains_key("S0_Legacy")
            && let Some(key) = data.get("network_key").filter(|key| is_set(key))
        {
            found.insert("S0_Legacy".to_owned(), key.clone());
        }
        (!found.is_empty()).then_some(found)
    };
    let found = own(&json)
        .or_else(|| own(json.pointer("/zwave/securityKeys")?))
        .or_else(|| own(json.get("securityKeys")?))
        .or_else(|| {
            let entries = json.pointer("/data/entries")?.as_array()?;
            entries.iter().find_map(home_assistant)
        })
        .ok_or(ImportError::NoKeys)?;
    Ok(Zeroizing::new(Value::Object(found).to_string()))
}

/// Whether a key stands there: what was never set is empty or null.
fn is_set(key: &Value) -> bool {
    !key.is_null() && key.as_str() != Some("")
}

#[derive(Deserialize)]
struct Line {
    k: String,
    #[serde(default)]
    v: Option<Value>,
}

/// Reads a node cache, and with `values` also the file `HOMEID.values.jsonl`.
///
/// # Errors
/// When it is none.
pub fn import_nodes(cache: &str, values: Option<&str>) -> Result<ImportedNodes, ImportError> {
    let entries = entries(cache)?;
    if let Some(format) = entries.get("cacheFormat").and_then(Value::as_u64)
        && !(1..=2).contains(&format)
    {
        return Err(ImportError::Format(format));
    }
    let mut nodes: BTreeMap<NodeId, Told> = BTreeMap::new();
    for (key, value) in &entries {
        let Some((id, rest)) = key.strip_prefix("node.").and_then(|rest| rest.split_once('.')) else {
            continue;
        };
        let Some(id) = id.parse().ok().filter(|id| *id > 0).map(NodeId) else {
            continue;
        };
        if !nodes.contains_key(&id) && nodes.len() >= NODES_MAX {
            return Err(ImportError::TooManyNodes);
        }
        nodes.entry(id).or_default().take(rest, value);
    }
    if let Some(values) = values {
        products(values, &mut nodes);
    }
    let known: Vec<Node> = nodes
        .into_iter()
        .filter(|(_, told)| !told.is_controller)
        .map(|(id, told)| told.node(id))
        .collect();
    if known.is_empty() {
        return Err(ImportError::NoNodes);
    }
    let provisioned = provisioned(entries.get("controller.provisioningList"));
    Ok(ImportedNodes {
        cache: save_cache(known.iter(), &provisioned)?,
        nodes: known.len(),
        secure: known.iter().filter(|node| node.highest_class().is_some()).count(),
        expected: provisioned.len(),
    })
}

fn entries(text: &str) -> Result<BTreeMap<String, Value>, ImportError> {
    let mut entries = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let number = index.saturating_add(1);
        let line: Line = serde_json::from_str(line).map_err(|_| ImportError::BadLine(number))?;
        match line.v {
            Some(value) => entries.insert(line.k, value),
            None => entries.remove(&line.k),
        };
    }
    Ok(entries)
}

/// What a cache says of one node.
#[derive(Default)]
struct Told {
    is_controller: bool,
    listening: Option<bool>,
    frequently: Option<bool>,
    device_class: Option<(u8, u8)>,
    plain: Vec<u8>,
    secure: Vec<u8>,
    versions: BTreeMap<u8, u8>,
    granted: Option<ClassSet>,
    product: [Option<u16>; 3],
}

impl Told {
    fn take(&mut self, key: &str, value: &Value) {
        let flag = value.as_bool();
        match key {
            "nodeType" => self.is_controller |= value.as_str() == Some("Controller"),
            "isListening" => self.listening = flag,
            // Either false or how often it listens.
            "isFrequentListening" => self.frequently = Some(flag.unwrap_or(true)),
            "deviceClass" => {
                let part = |name| u8::try_from(value.get(name)?.as_u64()?).ok();
                self.device_class = part("generic").zip(part("specific"));
            }
            _ => {
                if let Some(name) = key.strip_prefix("securityClasses.") {
                    self.key(name, flag == Some(true));
                } else if let Some(class) = key.strip_prefix("endpoint.0.commandClass.0x") {
                    self.command_class(class, value);
                }
            }
        }
    }

    fn key(&mut self, name: &str, granted: bool) {
        let class = match name {
            "S0_Legacy" => SecurityClass::S0,
            "S2_Unauthenticated" => SecurityClass::S2Unauthenticated,
            "S2_Authenticated" => SecurityClass::S2Authenticated,
            "S2_AccessControl" => SecurityClass::S2AccessControl,
            _ => return,
        };
        let known = self.granted.unwrap_or(ClassSet::NONE);
        self.granted = Some(if granted { known.with(class) } else { known });
    }

    fn command_class(&mut self, number: &str, value: &Value) {
        let flag = |name| value.get(name).and_then(Value::as_bool) == Some(true);
        let Ok(number) = u8::from_str_radix(number, 16) else {
            return;
        };
        if !flag("isSupported") {
            return;
        }
        // The security classes themselves are offered to anybody, whatever they were told later.
        let security = number == class::SECURITY || number == class::SECURITY_2;
        if flag("secure") && !security {
            self.secure.push(number);
        } else {
            self.plain.push(number);
        }
        let version = value.get("version").and_then(Value::as_u64);
        if let Some(version) = version
            .and_then(|version| u8::try_from(version).ok())
            .filter(|v| *v > 0)
        {
            self.versions.insert(number, version);
        }
    }

    fn node(self, id: NodeId) -> Node {
        let mut node = Node::new(id);
        if let (Some(listening), Some((generic, specific))) = (self.listening, self.device_class) {
            node.protocol = Some(ProtocolInfo {
                listening,
                frequently_listening: self.frequently.unwrap_or(false),
                generic,
                specific,
            });
        }
        // A node that was never interviewed is asked everything.
        let interviewed = !self.plain.is_empty();
        if interviewed {
            node.plain_classes = Some(self.plain);
            node.versions = self.versions;
        }
        node.granted = self.granted.filter(|_| interviewed);
        if node.highest_class().is_some() && !self.secure.is_empty() {
            node.secure_classes = Some(self.secure);
        }
        if let [Some(maker), Some(kind), Some(product)] = self.product {
            node.product = Some((maker, kind, product));
        }
        node
    }
}

/// Who made each node. These values hold codes, too, which are not read.
fn products(text: &str, nodes: &mut BTreeMap<NodeId, Told>) {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Name {
        node_id: u16,
        command_class: u16,
        property: Value,
    }
    for line in text.lines() {
        let Ok(line) = serde_json::from_str::<Line>(line) else {
            continue;
        };
        let Ok(name) = serde_json::from_str::<Name>(&line.k) else {
            continue;
        };
        if name.command_class != u16::from(class::MANUFACTURER_SPECIFIC) {
            continue;
        }
        let place = match name.property.as_str() {
            Some("manufacturerId") => 0,
            Some("productType") => 1,
            Some("productId") => 2,
            Some(_) | None => continue,
        };
        let value = line.v.as_ref().and_then(Value::as_u64);
        if let Some(told) = nodes.get_mut(&NodeId(name.node_id))
            && let Some(slot) = told.product.get_mut(place)
        {
            *slot = value.and_then(|value| u16::try_from(value).ok());
        }
    }
}

/// Devices that may join by themselves and did not yet.
fn provisioned(list: Option<&Value>) -> Vec<Provisioned> {
    let entries = list
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    entries
        .iter()
        .filter(|entry| {
            entry.get("nodeId").is_none() && entry.get("status").and_then(Value::as_u64) != Some(1)
        })
        .filter_map(|entry| Dsk::parse(entry.get("dsk")?.as_str()?).ok())
        .map(|dsk| Provisioned { dsk: *dsk.bytes() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::load_cache;
    use proptest::prelude::*;

    const KEY: &str = "00112233445566778899aabbccddeeff";

    #[test]
    fn keys_are_found_wherever_they_are_kept() {
        let own = format!(r#"{{"S0_Legacy":"{KEY}","S2_AccessControl":"{KEY}","S2_Authenticated":""}}"#);
        let ui = format!(r#"{{"mqtt":{{}},"zwave":{{"port":"/dev/x","securityKeys":{own}}}}}"#);
        let home_assistant = format!(
            r#"{{"version":1,"data":{{"entries":[{{"domain":"hue","data":{{}}}},{{"domain":"zwave_js","data":{{
                "url":"ws://x","s0_legacy_key":"{KEY}","s2_access_control_key":"{KEY}","s2_authenticated_key":null}}}}]}}}}"#
        );
        let expected: Value =
            serde_json::from_str(&format!(r#"{{"S0_Legacy":"{KEY}","S2_AccessControl":"{KEY}"}}"#)).unwrap();
        for text in [own, ui, home_assistant] {
            let found: Value = serde_json::from_str(&find_keys(&text).unwrap()).unwrap();
            assert_eq!(found, expected, "{text}");
        }
        assert!(matches!(find_keys("{}"), Err(ImportError::NoKeys)));
        assert!(matches!(find_keys("{\n"), Err(ImportError::KeysNotJson(_))));
    }

    #[test]
    fn a_later_line_counts_and_a_line_without_a_value_takes_away() {
        let lines = [
            r#"{"k":"cacheFormat","v":2}"#,
            r#"{"k":"node.1.nodeType","v":"Controller"}"#,
            r#"{"k":"node.7.isListening","v":true}"#,
            r#"{"k":"node.7.isListening","v":false}"#,
            r#"{"k":"node.7.isFrequentListening","v":"1000ms"}"#,
            r#"{"k":"node.7.deviceClass","v":{"basic":4,"generic":64,"specific":3}}"#,
            r#"{"k":"node.7.endpoint.0.commandClass.0x9f","v":{"isSupported":true,"secure":true,"version":1}}"#,
            r#"{"k":"node.7.endpoint.0.commandClass.0x62","v":{"isSupported":true,"secure":true,"version":4}}"#,
            r#"{"k":"node.7.endpoint.0.commandClass.0x20","v":{"isSupported":false,"secure":false,"version":1}}"#,
            r#"{"k":"node.7.securityClasses.S2_AccessControl","v":true}"#,
            r#"{"k":"node.7.securityClasses.S0_Legacy","v":false}"#,
            r#"{"k":"node.8.securityClasses.S0_Legacy","v":true}"#,
            r#"{"k":"node.8.securityClasses.S0_Legacy"}"#,
            r#"{"k":"node.8.isListening","v":true}"#,
            r#"{"k":"controller.provisioningList","v":[{"dsk":"00000-11111-22222-33333-44444-55555-00001-00002"},{"dsk":"x"}]}"#,
        ];
        let values = r#"{"k":"{\"nodeId\":7,\"commandClass\":114,\"endpoint\":0,\"property\":\"manufacturerId\"}","v":59}
{"k":"{\"nodeId\":7,\"commandClass\":114,\"endpoint\":0,\"property\":\"productType\"}","v":1}
{"k":"{\"nodeId\":7,\"commandClass\":114,\"endpoint\":0,\"property\":\"productId\"}","v":2}"#;
        let imported = import_nodes(&lines.join("\n"), Some(values)).unwrap();
        assert_eq!((imported.nodes, imported.secure, imported.expected), (2, 1, 1));
        let cache = load_cache(&imported.cache).unwrap();
        let node = &cache.nodes[0];
        assert_eq!(node.id, NodeId(7));
        assert_eq!(
            node.granted,
            Some(ClassSet::of(&[SecurityClass::S2AccessControl]))
        );
        assert_eq!(node.plain_classes.as_deref(), Some(&[class::SECURITY_2][..]));
        assert_eq!(node.secure_classes.as_deref(), Some(&[class::DOOR_LOCK][..]));
        assert_eq!(node.version(class::DOOR_LOCK), 4);
        assert_eq!(node.product, Some((59, 1, 2)));
        let radio = node.protocol.unwrap();
        assert!(!radio.listening && radio.frequently_listening && radio.generic == 0x40);
        // Of the other nothing is known that could be relied on: it is asked.
        assert_eq!(
            (cache.nodes[1].granted, &cache.nodes[1].plain_classes),
            (None, &None)
        );
    }

    #[test]
    fn what_is_no_cache_is_refused() {
        assert!(matches!(import_nodes("", None), Err(ImportError::NoNodes)));
        assert!(matches!(import_nodes("{}\n", None), Err(ImportError::BadLine(1))));
        let newer = "{\"k\":\"cacheFormat\",\"v\":9}";
        assert!(matches!(import_nodes(newer, None), Err(ImportError::Format(9))));
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}", lines in proptest::collection::vec(
            ("node\\.[0-9]{1,6}\\.(endpoint\\.0\\.commandClass\\.0x[0-9a-f]{1,3}|isListening|securityClasses\\.S2_AccessControl)",
             "(true|false|\\{\"isSupported\":true,\"secure\":true,\"version\":[0-9]{1,4}\\})"), 0..20)) {
            let _ = find_keys(&text);
            let _ = import_nodes(&text, Some(&text));
            let lines: Vec<String> = lines.iter().map(|(k, v)| format!("{{\"k\":\"{k}\",\"v\":{v}}}")).collect();
            if let Ok(imported) = import_nodes(&lines.join("\n"), None) {
                prop_assert!(load_cache(&imported.cache).is_ok());
            }
        }
    }
}
