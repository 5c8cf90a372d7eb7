//! The node cache: what was learned of the nodes, and which devices may join by themselves.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::node::Node;

/// The format's version; another one is not read.
const VERSION: u32 = 1;

/// A device that may join by SmartStart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Provisioned {
    /// Its whole DSK.
    pub(crate) dsk: [u8; 16],
}

/// What is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cache {
    pub(crate) nodes: Vec<Node>,
    pub(crate) provisioned: Vec<Provisioned>,
}

#[derive(Deserialize)]
struct Stored {
    version: u32,
    nodes: Vec<Node>,
    provisioned: Vec<Provisioned>,
}

#[derive(Serialize)]
struct Storing<'a> {
    version: u32,
    nodes: Vec<&'a Node>,
    provisioned: &'a [Provisioned],
}

/// Why a cache cannot be used.
#[derive(Debug, Error)]
pub enum CacheError {
    /// It is not JSON of our shape.
    #[error("the Z-Wave node cache is damaged: {0}")]
    Damaged(#[from] serde_json::Error),
    /// Another version wrote it.
    #[error("the Z-Wave node cache has version {found}, this hubd reads version {VERSION}")]
    OtherVersion {
        /// Its version.
        found: u32,
    },
}

/// Reads a cache.
pub(crate) fn load(bytes: &[u8]) -> Result<Cache, CacheError> {
    let stored: Stored = serde_json::from_slice(bytes)?;
    if stored.version != VERSION {
        return Err(CacheError::OtherVersion {
            found: stored.version,
        });
    }
    Ok(Cache {
        nodes: stored.nodes,
        provisioned: stored.provisioned,
    })
}

/// Writes a cache.
pub(crate) fn save<'a>(
    nodes: impl Iterator<Item = &'a Node>,
    provisioned: &[Provisioned],
) -> Result<Vec<u8>, CacheError> {
    Ok(serde_json::to_vec(&Storing {
        version: VERSION,
        nodes: nodes.collect(),
        provisioned,
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::serial::NodeId;

    #[test]
    fn what_is_kept_comes_back_and_damage_is_told() {
        let nodes = [Node::new(NodeId(2)), Node::new(NodeId(300))];
        let provisioned = [Provisioned { dsk: [7; 16] }];
        let bytes = save(nodes.iter(), &provisioned).unwrap();
        let cache = load(&bytes).unwrap();
        assert_eq!(
            (cache.nodes.as_slice(), cache.provisioned.as_slice()),
            (&nodes[..], &provisioned[..])
        );
        assert!(load(b"{").is_err());
        assert!(matches!(
            load(br#"{"version":9,"nodes":[],"provisioned":[]}"#),
            Err(CacheError::OtherVersion { found: 9 })
        ));
    }
}
