//! The configuration: one TOML file, overlaid by environment variables, checked whole before anything starts.
//!
//! Promise: an unknown key, a wrong type or a value that is not allowed is an error that names the place, the key,
//! what is wrong and what is allowed. Nothing is guessed and nothing is ignored.

mod notify;
mod read;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use config::{Config as Sources, ConfigError as SourceError, File, FileFormat, Map, Source, Value};
use hubd_model::RadioName;
use jiff::tz::TimeZone;
use thiserror::Error;

use crate::tls::is_dns;
pub use notify::{Level, MqttConfig, NotifyConfig, OutputConfig, SmtpConfig, SmtpTls};
use read::Section;

/// Where the configuration is when nobody says otherwise.
pub const DEFAULT_PATH: &str = "/etc/hubd/hubd.toml";
/// More radios than a household has.
pub const RADIOS_MAX: usize = 16;
const ENVIRONMENT_PREFIX: &str = "HUBD__";

/// The whole configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where the database, the keys and the journal are.
    pub data_dir: PathBuf,
    /// The HTTP server.
    pub http: HttpConfig,
    /// The radios, in the order of the file. None is allowed: then the hub only serves what it remembers.
    pub radios: Vec<RadioConfig>,
    /// Logging.
    pub log: LogConfig,
    /// The vault.
    pub vault: VaultConfig,
    /// The home.
    pub home: HomeConfig,
    /// Whom the hub tells what happened.
    pub notify: Vec<NotifyConfig>,
}

/// The HTTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// The address and port.
    pub listen: SocketAddr,
    /// Whether a reverse proxy on the way speaks TLS and tells the client's address in `X-Forwarded-For`.
    pub behind_proxy: bool,
    /// What is shown to browsers.
    pub tls: Tls,
    /// Whether browsers are told to come over TLS only from now on.
    pub hsts: bool,
}

impl HttpConfig {
    /// Whether clients come over TLS, to the hub or to the proxy before it.
    pub fn is_secure(&self) -> bool {
        self.behind_proxy || self.tls != Tls::Off
    }
}

/// TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tls {
    /// None.
    Off,
    /// Certificates by the hub's own authority, which is made at the first start.
    Own {
        /// Names and addresses by which the hub is reached, besides those that it finds itself.
        names: Vec<String>,
    },
    /// The owner's certificate.
    Files {
        /// The chain in PEM.
        cert: PathBuf,
        /// Its key in PEM.
        key: PathBuf,
    },
}

/// One radio.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RadioConfig {
    /// Its name, for people and in paths.
    pub name: RadioName,
    /// What it speaks.
    pub kind: RadioKind,
    /// A device path, or `tcp://HOST:PORT`.
    pub port: String,
}

/// What a radio speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RadioKind {
    /// Z-Wave, over a Serial API dongle.
    Zwave,
}

/// Logging.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogConfig {
    /// The least serious level that is shown.
    pub level: tracing::Level,
    /// The form.
    pub format: LogFormat,
}

/// The form of the logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// `Journald` when systemd started the hub, otherwise `Text`.
    Auto,
    /// Structured records to journald.
    Journald,
    /// Lines for people, to standard output.
    Text,
    /// JSON Lines, to standard output.
    Json,
}

/// The vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultConfig {
    /// `age` recipients that can also open what the hub seals: the way back when its disk is dead.
    pub recovery_recipients: Vec<String>,
}

/// The home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeConfig {
    /// The time zone by which windows of the week are meant; `None` is the system's.
    pub time_zone: Option<TimeZone>,
}

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot be read ({source}); give another file with --config PATH", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{}: is not valid TOML: {detail}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The parser's words, with line and column.
        detail: String,
    },
    /// An environment variable whose name cannot be a key.
    #[error("environment variable {name}: {wrong}")]
    Environment {
        /// Its name.
        name: String,
        /// What is wrong and what is allowed.
        wrong: String,
    },
    /// Nobody knows this key.
    #[error("{place}: unknown key `{key}`{}", nearest.as_ref().map_or_else(String::new, |near| format!("; did you mean `{near}`?")))]
    UnknownKey {
        /// The file or the environment variable.
        place: String,
        /// The key, with its sections.
        key: String,
        /// The known key that looks most like it.
        nearest: Option<String>,
    },
    /// A key that has to be there is not.
    #[error("{place}: `{key}` is missing; {allowed}")]
    Missing {
        /// The file or the environment variable.
        place: String,
        /// The key, with its sections.
        key: String,
        /// What it may be.
        allowed: String,
    },
    /// A value that is not allowed.
    #[error("{place}: `{key}` {wrong}; {allowed}")]
    BadValue {
        /// The file or the environment variable.
        place: String,
        /// The key, with its sections.
        key: String,
        /// What is wrong with it.
        wrong: String,
        /// What is allowed.
        allowed: String,
    },
}

impl Config {
    /// Reads and checks the file at `path`, overlaid by `environment`. Without a `path` the default file is read; it
    /// may be absent, then defaults and environment make the configuration.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn load(
        path: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let file = path.unwrap_or(Path::new(DEFAULT_PATH));
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if path.is_none() && error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(source) => {
                return Err(ConfigError::Unreadable {
                    path: file.to_owned(),
                    source,
                });
            }
        };
        Self::from_text(file, &text, environment)
    }

    /// Checks a text as if it stood in `file`, overlaid by `environment`.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn from_text(
        file: &Path,
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let sources = Sources::builder()
            .add_source(File::from_str(text, FileFormat::Toml))
            .add_source(Environment::new(environment)?)
            .build()
            .map_err(|error| syntax(file, error))?;
        let place = file.display().to_string();
        let mut root = Section::root(&place, sources.cache)?;
        let config = Self {
            data_dir: PathBuf::from(root.text("data_dir", "/var/lib/hubd", "a folder is allowed")?),
            http: http(root.section("http")?)?,
            radios: radios(&mut root)?,
            log: log(root.section("log")?)?,
            vault: vault(root.section("vault")?)?,
            home: home(root.section("home")?)?,
            notify: notify::outputs(&mut root)?,
        };
        root.finish()?;
        Ok(config)
    }
}

fn syntax(file: &Path, error: SourceError) -> ConfigError {
    let detail = if let SourceError::FileParse { cause, .. } = error {
        cause.to_string()
    } else {
        error.to_string()
    };
    ConfigError::Syntax {
        path: file.to_owned(),
        detail: plain(&detail),
    }
}

/// The parser draws the place over several lines; one sentence needs the place (its first line) and what is wrong
/// (what follows the caret).
fn plain(drawn: &str) -> String {
    let mut lines = drawn.lines().map(str::trim).filter(|line| !line.is_empty());
    let place = lines
        .next()
        .unwrap_or_default()
        .trim_start_matches("TOML parse error ");
    let rest: Vec<&str> = lines
        .filter(|line| !is_drawing(line))
        .map(without_caret)
        .collect();
    if rest.is_empty() {
        return place.to_owned();
    }
    format!("{place}: {}", rest.join("; "))
}

/// A copy of the file's line, `7 | key = value`, or the empty bar above it.
fn is_drawing(line: &str) -> bool {
    line.split_once('|').is_some_and(|(before, after)| {
        before.trim().bytes().all(|b| b.is_ascii_digit()) && !after.trim_start().starts_with('^')
    })
}

fn without_caret(line: &str) -> &str {
    line.trim_start_matches(['|', ' '])
        .trim_start_matches('^')
        .trim_start()
}

fn http(mut section: Section) -> Result<HttpConfig, ConfigError> {
    const LISTEN: &str = "an address with a port is allowed, such as 127.0.0.1:8480 or [::1]:8480";
    const TLS: &str = "\"self-signed\", { cert = \"FILE\", key = \"FILE\" }, and on a loopback address or with \
                       behind_proxy = true also \"off\" are allowed";
    const NAMES: &str =
        "a list of names and addresses by which the hub is reached is allowed, with tls = \"self-signed\"";
    let default = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8480)).to_string();
    let text = section.text("listen", &default, LISTEN)?;
    let listen: SocketAddr = text
        .parse()
        .map_err(|_| section.bad("listen", &format!("is {text:?}"), LISTEN))?;
    let behind_proxy = section.flag("behind_proxy", false)?;
    let names = section.texts("names", NAMES)?;
    let strange = names
        .iter()
        .find(|name| name.parse::<std::net::IpAddr>().is_err() && !is_dns(name));
    if let Some(name) = strange {
        return Err(section.bad("names", &format!("holds {name:?}"), NAMES));
    }
    let tls = if section.is_table("tls") {
        let mut files = section.section("tls")?;
        let cert = PathBuf::from(files.required_text("cert", "a file with the chain in PEM is allowed")?);
        let key = PathBuf::from(files.required_text("key", "a file with its key in PEM is allowed")?);
        files.finish()?;
        Tls::Files { cert, key }
    } else {
        let default = if behind_proxy { "off" } else { "self-signed" };
        match section.text("tls", default, TLS)?.as_str() {
            "off" => Tls::Off,
            "self-signed" => Tls::Own { names: names.clone() },
            other => return Err(section.bad("tls", &format!("is {other:?}"), TLS)),
        }
    };
    if !names.is_empty() && !matches!(tls, Tls::Own { .. }) {
        return Err(section.bad("names", "is there without the hub's own certificate", NAMES));
    }
    let hsts = section.flag("hsts", true)?;
    if tls == Tls::Off && !listen.ip().is_loopback() && !behind_proxy {
        return Err(section.bad(
            "listen",
            &format!("is {listen}, where anybody on the network could read tokens, as tls is \"off\""),
            "set tls = \"self-signed\", use a loopback address, or put a TLS proxy in front and set behind_proxy = true",
        ));
    }
    section.finish()?;
    Ok(HttpConfig {
        listen,
        behind_proxy,
        tls,
        hsts,
    })
}

fn radios(root: &mut Section) -> Result<Vec<RadioConfig>, ConfigError> {
    let mut radios: Vec<RadioConfig> = Vec::new();
    for mut section in root.sections("radio", RADIOS_MAX)? {
        const NAME: &str = "1 to 32 of a-z, 0-9, - and _ are allowed, and each radio has its own";
        const KIND: &str = "\"zwave\" is allowed";
        const PORT: &str = "a device path such as /dev/serial/by-id/usb-… is allowed, or tcp://HOST:PORT";
        let name = section.required_text("name", NAME)?;
        let plain = name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
        let taken = radios.iter().any(|radio| radio.name.as_str() == name);
        let name = match RadioName::parse(&name) {
            Ok(parsed) if plain && name.len() <= 32 && !taken => parsed,
            Ok(_) | Err(_) => return Err(section.bad("name", &format!("is {name:?}"), NAME)),
        };
        let kind = match section.required_text("kind", KIND)?.as_str() {
            "zwave" => RadioKind::Zwave,
            other @ ("zigbee" | "matter") => {
                let wrong = format!("is {other:?}, which this version does not speak yet");
                return Err(section.bad("kind", &wrong, KIND));
            }
            other => return Err(section.bad("kind", &format!("is {other:?}"), KIND)),
        };
        let port = section.required_text("port", PORT)?;
        if !is_port(&port) {
            return Err(section.bad("port", &format!("is {port:?}"), PORT));
        }
        if let Some(other) = radios.iter().find(|radio| radio.port == port) {
            let wrong = format!("is {port:?}, which radio {} has already", other.name);
            return Err(section.bad("port", &wrong, PORT));
        }
        section.finish()?;
        radios.push(RadioConfig { name, kind, port });
    }
    Ok(radios)
}

fn is_port(port: &str) -> bool {
    match port.strip_prefix("tcp://") {
        None => port.starts_with('/') && port.len() > 1,
        Some(address) => address.rsplit_once(':').is_some_and(|(host, number)| {
            !host.is_empty() && number.parse::<u16>().is_ok_and(|number| number != 0)
        }),
    }
}

fn log(mut section: Section) -> Result<LogConfig, ConfigError> {
    const LEVEL: &str = "error, warn, info, debug and trace are allowed";
    const FORMAT: &str = "auto, journald, text and json are allowed";
    let level = match section.text("level", "info", LEVEL)?.as_str() {
        "error" => tracing::Level::ERROR,
        "warn" => tracing::Level::WARN,
        "info" => tracing::Level::INFO,
        "debug" => tracing::Level::DEBUG,
        "trace" => tracing::Level::TRACE,
        other => return Err(section.bad("level", &format!("is {other:?}"), LEVEL)),
    };
    let format = match section.text("format", "auto", FORMAT)?.as_str() {
        "auto" => LogFormat::Auto,
        "journald" => LogFormat::Journald,
        "text" => LogFormat::Text,
        "json" => LogFormat::Json,
        other => return Err(section.bad("format", &format!("is {other:?}"), FORMAT)),
    };
    section.finish()?;
    Ok(LogConfig { level, format })
}

fn vault(mut section: Section) -> Result<VaultConfig, ConfigError> {
    const RECIPIENTS: &str = "a list of age recipients (age1…) is allowed; make one with age-keygen";
    let recovery_recipients = section.texts("recovery_recipients", RECIPIENTS)?;
    for recipient in &recovery_recipients {
        if recipient.parse::<age::x25519::Recipient>().is_err() {
            // An identity pasted here by mistake is a secret: say what it is, not what it says.
            let wrong = if recipient.to_ascii_uppercase().starts_with("AGE-SECRET-KEY-") {
                "holds a secret key; it belongs on paper, not here".to_owned()
            } else {
                format!("holds {recipient:?}")
            };
            return Err(section.bad("recovery_recipients", &wrong, RECIPIENTS));
        }
    }
    section.finish()?;
    Ok(VaultConfig { recovery_recipients })
}

fn home(mut section: Section) -> Result<HomeConfig, ConfigError> {
    const ZONE: &str = "a name of the time zone database is allowed, such as Europe/Berlin (package tzdata)";
    let name = section.text("time_zone", "system", ZONE)?;
    let time_zone = match name.as_str() {
        "system" => None,
        name => match TimeZone::get(name) {
            Ok(zone) => Some(zone),
            Err(_) => {
                return Err(section.bad("time_zone", &format!("is {name:?}, which is not known"), ZONE));
            }
        },
    };
    section.finish()?;
    Ok(HomeConfig { time_zone })
}

/// `HUBD__SECTION__KEY=value`, with a number for a place in a list: `HUBD__RADIO__0__PORT`.
#[derive(Debug, Clone)]
struct Environment(Vec<(String, String, String)>);

impl Environment {
    fn new(variables: impl IntoIterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        let mut found = Vec::new();
        for (name, value) in variables {
            let Some(path) = name.strip_prefix(ENVIRONMENT_PREFIX) else {
                continue;
            };
            let mut key = String::new();
            for part in path.to_ascii_lowercase().split("__") {
                let plain = part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
                let index = part.parse::<usize>().ok();
                let wrong = if part.is_empty() || !plain {
                    "is not HUBD__SECTION__KEY: letters, digits and _ are allowed between the double __"
                } else if index.is_some() && key.is_empty() {
                    "starts with a number; a section's or key's name is allowed there"
                } else if index.is_some_and(|index| index >= RADIOS_MAX) {
                    "has a number that is too big; lists are counted from 0 and have at most 16 places"
                } else {
                    ""
                };
                if !wrong.is_empty() {
                    return Err(ConfigError::Environment {
                        name,
                        wrong: wrong.to_owned(),
                    });
                }
                match index {
                    Some(index) => {
                        key.push('[');
                        key.push_str(&index.to_string());
                        key.push(']');
                    }
                    None if key.is_empty() => key.push_str(part),
                    None => {
                        key.push('.');
                        key.push_str(part);
                    }
                }
            }
            found.push((name, key, value));
        }
        Ok(Self(found))
    }
}

impl Source for Environment {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, SourceError> {
        let entry = |(name, key, value): &(String, String, String)| {
            (
                key.clone(),
                Value::new(Some(&format!("environment variable {name}")), value.as_str()),
            )
        };
        Ok(self.0.iter().map(entry).collect())
    }
}

#[cfg(test)]
mod tests;
