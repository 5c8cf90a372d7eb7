//! A hub that has never seen its network finds out all of it, whenever it is started.
//!
//! `HUBD_FIRST_STARTS` says how often; two times unless it is set.

use anyhow::{Context, Result, ensure};
use hubd_peers::{Deadline, Home, Hub, HubOptions, Mock, MockOptions};

/// How long a first interview of these four devices may take at most, on a machine that is busy with other things.
const READY_SECONDS: u64 = 50;

#[test]
fn every_first_start_ends_with_every_device_known() -> Result<()> {
    let rounds = std::env::var("HUBD_FIRST_STARTS")
        .ok()
        .map_or(Ok(2), |text| text.parse::<u32>())?;
    for round in 1..=rounds {
        let mock = Mock::start(&MockOptions {
            nodes: "2,3,4,5",
            // Sometimes the air is slow, as with a route over other devices.
            tx_delay_ms: [0, 5, 20, 60][usize::try_from(round % 4)?],
            ..MockOptions::default()
        })?;
        let hub = Hub::new(&HubOptions {
            radio: mock.url(),
            extra: "[log]\nlevel = \"trace\"\n".to_owned(),
        })?;
        hub.import_keys()?;
        let mut home = Home { mock, hub };
        home.hub.start()?;
        let ready = home.wait_ready("2,3,4,5", Deadline::seconds(READY_SECONDS));
        if ready.is_err()
            && let Some(folder) = std::env::var_os("HUBD_FIRST_STARTS_LOG")
        {
            let path = std::path::Path::new(&folder).join(format!("first-start-{round}.log"));
            std::fs::write(path, home.hub.said().join("\n"))?;
        }
        ready.with_context(|| format!("first start {round}"))?;
        for lock in home.locks()? {
            ensure!(lock["security"] != "none", "first start {round}: {lock}");
            ensure!(lock["link"]["state"] == "online", "first start {round}: {lock}");
        }
    }
    Ok(())
}
