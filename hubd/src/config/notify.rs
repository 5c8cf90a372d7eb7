//! `[[notify]]`: whom the hub tells what happened.

use axum::http::Uri;
use hubd_model::SecretString;

use super::ConfigError;
use super::read::Section;

/// More outputs than a household has.
pub(super) const OUTPUTS_MAX: usize = 16;

/// How serious something is; an output is told what is at least as serious as it wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Daily life.
    Info,
    /// Needs a look.
    Warning,
    /// Danger.
    Urgent,
}

impl Level {
    /// The level as the configuration and outputs name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Urgent => "urgent",
        }
    }
}

/// One output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotifyConfig {
    /// Its name, for people and in paths.
    pub name: String,
    /// The least serious level that it is told.
    pub least: Level,
    /// Where to.
    pub output: OutputConfig,
}

/// Where an output leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputConfig {
    /// A topic of an ntfy server.
    Ntfy {
        /// The topic's URL.
        url: Uri,
        /// An access token.
        token: Option<SecretString>,
    },
    /// A URL that is sent the event as JSON.
    Webhook {
        /// The URL.
        url: Uri,
        /// A token for the header `Authorization: Bearer`.
        token: Option<SecretString>,
    },
    /// Mail.
    Smtp(SmtpConfig),
    /// A topic of an MQTT broker.
    Mqtt(MqttConfig),
}

impl OutputConfig {
    /// What it speaks, as the configuration names it.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Ntfy { .. } => "ntfy",
            Self::Webhook { .. } => "webhook",
            Self::Smtp(_) => "smtp",
            Self::Mqtt(_) => "mqtt",
        }
    }
}

/// A mail server and whom to write to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpConfig {
    /// The server's name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How it is protected.
    pub tls: SmtpTls,
    /// The account there.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<SecretString>,
    /// The sender's address.
    pub from: String,
    /// The receivers' addresses.
    pub to: Vec<String>,
}

/// How mail is protected on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmtpTls {
    /// From the first byte.
    Implicit,
    /// Begun by a command; without it nothing is sent.
    StartTls,
    /// Not at all.
    Off,
}

/// An MQTT broker and where to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttConfig {
    /// The broker's name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether TLS is spoken.
    pub tls: bool,
    /// The account there.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<SecretString>,
    /// The topic.
    pub topic: String,
}

/// Reads every output.
pub(super) fn outputs(root: &mut Section) -> Result<Vec<NotifyConfig>, ConfigError> {
    let mut outputs: Vec<NotifyConfig> = Vec::new();
    for mut section in root.sections("notify", OUTPUTS_MAX)? {
        const NAME: &str = "1 to 32 of a-z, 0-9, - and _ are allowed, and each output has its own";
        const KIND: &str = "\"ntfy\", \"webhook\", \"smtp\" and \"mqtt\" are allowed";
        const LEAST: &str = "\"info\", \"warning\" and \"urgent\" are allowed";
        let name = section.required_text("name", NAME)?;
        let plain = name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_".contains(&b));
        let taken = outputs.iter().any(|output| output.name == name);
        if !plain || taken || name.len() > 32 {
            return Err(section.bad("name", &format!("is {name:?}"), NAME));
        }
        let least = match section.text("least", "warning", LEAST)?.as_str() {
            "info" => Level::Info,
            "warning" => Level::Warning,
            "urgent" => Level::Urgent,
            other => return Err(section.bad("least", &format!("is {other:?}"), LEAST)),
        };
        let output = match section.required_text("kind", KIND)?.as_str() {
            "ntfy" => OutputConfig::Ntfy {
                url: url(&mut section)?,
                token: secret(&mut section, "token")?,
            },
            "webhook" => OutputConfig::Webhook {
                url: url(&mut section)?,
                token: secret(&mut section, "token")?,
            },
            "smtp" => OutputConfig::Smtp(smtp(&mut section)?),
            "mqtt" => OutputConfig::Mqtt(mqtt(&mut section)?),
            other => return Err(section.bad("kind", &format!("is {other:?}"), KIND)),
        };
        section.finish()?;
        outputs.push(NotifyConfig { name, least, output });
    }
    Ok(outputs)
}

fn url(section: &mut Section) -> Result<Uri, ConfigError> {
    const URL: &str = "a URL that begins with https:// or http:// is allowed";
    let text = section.required_text("url", URL)?;
    let url: Option<Uri> = text.parse().ok();
    let good = |url: &Uri| url.host().is_some() && matches!(url.scheme_str(), Some("http" | "https"));
    // A URL may hold a secret, so it is not repeated.
    url.filter(good)
        .ok_or_else(|| section.bad("url", "is no URL that can be used", URL))
}

fn secret(section: &mut Section, key: &'static str) -> Result<Option<SecretString>, ConfigError> {
    let text = section.text(key, "", "a secret text is allowed")?;
    Ok((!text.is_empty()).then(|| SecretString::new(text)))
}

fn optional(section: &mut Section, key: &'static str) -> Result<Option<String>, ConfigError> {
    let text = section.text(key, "", "a text is allowed")?;
    Ok((!text.is_empty()).then_some(text))
}

/// `HOST` or `HOST:PORT`.
fn server(section: &mut Section, default_port: u16) -> Result<(String, u16), ConfigError> {
    const SERVER: &str = "HOST or HOST:PORT is allowed";
    let text = section.required_text("server", SERVER)?;
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok()),
        None => (text.as_str(), Some(default_port)),
    };
    match port {
        Some(port) if !host.is_empty() && port != 0 => Ok((host.to_owned(), port)),
        Some(_) | None => Err(section.bad("server", &format!("is {text:?}"), SERVER)),
    }
}

fn smtp(section: &mut Section) -> Result<SmtpConfig, ConfigError> {
    const TLS: &str = "\"implicit\", \"starttls\" and \"off\" are allowed";
    const ADDRESS: &str =
        "a mail address is allowed, such as hub@example.org or \"The hub <hub@example.org>\"";
    let tls = match section.text("tls", "implicit", TLS)?.as_str() {
        "implicit" => SmtpTls::Implicit,
        "starttls" => SmtpTls::StartTls,
        "off" => SmtpTls::Off,
        other => return Err(section.bad("tls", &format!("is {other:?}"), TLS)),
    };
    let default_port = match tls {
        SmtpTls::Implicit => 465,
        SmtpTls::StartTls => 587,
        SmtpTls::Off => 25,
    };
    let (host, port) = server(section, default_port)?;
    let user = optional(section, "user")?;
    let password = secret(section, "password")?;
    if tls == SmtpTls::Off && password.is_some() {
        let wrong = "is \"off\" although there is a password, which would cross the network in the clear";
        return Err(section.bad("tls", wrong, TLS));
    }
    let is_address = |text: &String| text.parse::<lettre::message::Mailbox>().is_ok();
    let from = section.required_text("from", ADDRESS)?;
    if !is_address(&from) {
        return Err(section.bad("from", &format!("is {from:?}"), ADDRESS));
    }
    let to = section.texts("to", ADDRESS)?;
    if to.is_empty() || !to.iter().all(is_address) {
        return Err(section.bad("to", &format!("is {to:?}"), "a list of mail addresses is allowed"));
    }
    Ok(SmtpConfig {
        host,
        port,
        tls,
        user,
        password,
        from,
        to,
    })
}

fn mqtt(section: &mut Section) -> Result<MqttConfig, ConfigError> {
    const TOPIC: &str = "1 to 256 characters without +, # and control characters are allowed";
    let tls = section.flag("tls", false)?;
    let (host, port) = server(section, if tls { 8883 } else { 1883 })?;
    let topic = section.text("topic", "hubd/notifications", TOPIC)?;
    if topic.len() > 256 || topic.contains(|c: char| c.is_control() || "+#".contains(c)) {
        return Err(section.bad("topic", &format!("is {topic:?}"), TOPIC));
    }
    Ok(MqttConfig {
        host,
        port,
        tls,
        user: optional(section, "user")?,
        password: secret(section, "password")?,
        topic,
    })
}
