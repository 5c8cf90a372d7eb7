//! What people bring: pairing codes and configurations.

use std::path::Path;

use hubd::config::Config;
use hubd_model::SecretString;
use hubd_zwave::security::dsk::Dsk;
use hubd_zwave::security::qr::Provisioning;

/// The text of a QR code, or a DSK.
pub fn pairing_code(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match Provisioning::parse(&SecretString::new(text.to_owned())) {
        Ok(found) => {
            let again = Dsk::parse(&found.dsk.text());
            assert_eq!(again.as_ref(), Ok(&found.dsk), "written and read again");
        }
        Err(error) => {
            let said = error.to_string();
            assert!(
                !said.is_empty() && !said.contains('\n'),
                "an error is one sentence: {said}"
            );
        }
    }
}

/// A configuration file.
pub fn configuration(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Err(error) = Config::from_text(Path::new("hubd.toml"), text, Vec::new()) {
        let said = error.to_string();
        assert!(said.contains("hubd.toml"), "an error names the file: {said}");
        assert!(said.len() < 16 * 1024, "an error has its limit");
    }
}
