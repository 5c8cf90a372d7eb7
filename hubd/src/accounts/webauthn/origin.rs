//! The page that asks for a passkey, and the name that the passkey belongs to.

use std::fmt;

/// A name in the domain name system has no more characters.
const NAME_CHARS_MAX: usize = 253;
/// A part of it.
const LABEL_CHARS_MAX: usize = 63;

/// The origin of a page that can have passkeys: `https` and a name, or `http` on `localhost`. Passkeys belong to names,
/// so that an address of numbers has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// As a browser writes it: lower case, and without the scheme's own port.
    text: String,
    name: String,
}

impl Origin {
    /// The origin in this text, as a browser sends it in `Origin`.
    pub fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let own_port = match scheme {
            "https" => "443",
            "http" => "80",
            _ => return None,
        };
        let (name, port) = match rest.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (rest, None),
        };
        let name = name.to_ascii_lowercase();
        if !is_name(&name) || (scheme == "http" && name != "localhost") {
            return None;
        }
        let port = match port {
            Some(port) => Some(port.parse::<u16>().ok().filter(|number| {
                // Written in one way only.
                *number > 0 && number.to_string() == port
            })?),
            None => None,
        };
        let text = match port {
            Some(port) if port.to_string() != own_port => format!("{scheme}://{name}:{port}"),
            Some(_) | None => format!("{scheme}://{name}"),
        };
        Some(Self { text, name })
    }

    /// The origin as browsers write it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The name that its passkeys belong to.
    /// Spec: Level 3, RP ID; here always the whole host.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= LABEL_CHARS_MAX
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    // What ends in a number is an address, however it is written.
    // Spec: URL Standard, "ends in a number".
    let number = |label: &str| {
        label.bytes().all(|byte| byte.is_ascii_digit())
            || label
                .strip_prefix("0x")
                .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()))
    };
    name.len() <= NAME_CHARS_MAX && name.split('.').all(label) && !name.rsplit('.').next().is_none_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passkeys_belong_to_names() {
        let long = format!("https://{}.local", "a".repeat(64));
        let cases: &[(&str, Option<(&str, &str)>)] = &[
            (
                "https://hub.local:8480",
                Some(("https://hub.local:8480", "hub.local")),
            ),
            ("https://HUB.local", Some(("https://hub.local", "hub.local"))),
            ("https://hub.local:443", Some(("https://hub.local", "hub.local"))),
            ("https://hub", Some(("https://hub", "hub"))),
            (
                "https://xn--hr-xka.example",
                Some(("https://xn--hr-xka.example", "xn--hr-xka.example")),
            ),
            (
                "http://localhost:8480",
                Some(("http://localhost:8480", "localhost")),
            ),
            ("http://localhost:80", Some(("http://localhost", "localhost"))),
            ("https://localhost", Some(("https://localhost", "localhost"))),
            ("http://hub.local", None),
            ("http://127.0.0.1:8480", None),
            ("https://127.0.0.1", None),
            ("https://192.168.1.4:8480", None),
            ("https://0x7f000001", None),
            ("https://3232235780", None),
            ("https://[::1]:8480", None),
            ("https://hub.local.", None),
            ("https://.local", None),
            ("https://a..b", None),
            ("https://", None),
            ("https://hub:", None),
            ("https://hub:0", None),
            ("https://hub:08480", None),
            ("https://hub:+80", None),
            ("https://hub:65536", None),
            ("https://hub/", None),
            ("https://user@hub", None),
            ("https://h\u{fc}b", None),
            ("null", None),
            ("ftp://hub", None),
            ("", None),
            (&long, None),
        ];
        for (text, wanted) in cases {
            let found = Origin::parse(text);
            let found = found.as_ref().map(|origin| (origin.as_str(), origin.name()));
            assert_eq!(found, *wanted, "{text}");
        }
    }
}
