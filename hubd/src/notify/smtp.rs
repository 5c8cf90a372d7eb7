//! Messages as mail.

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};

use super::Failure;
use super::message::Message;
use crate::config::{SmtpConfig, SmtpTls};

/// Writes to every receiver.
pub(super) async fn send(config: &SmtpConfig, message: &Message) -> Result<(), Failure> {
    let mailbox = |text: &str| -> Result<Mailbox, Failure> {
        text.parse()
            .map_err(|_| Failure::Never("an address of the configuration is none".to_owned()))
    };
    let mut mail = lettre::Message::builder()
        .from(mailbox(&config.from)?)
        .subject(format!("[hubd] {}", message.title))
        .header(ContentType::TEXT_PLAIN);
    for to in &config.to {
        mail = mail.to(mailbox(to)?);
    }
    let mail = mail
        .body(message.text.clone())
        .map_err(|error| Failure::Never(format!("the mail could not be written ({error})")))?;
    let unusable = |error: lettre::transport::smtp::Error| {
        Failure::Never(format!("the mail server's name cannot be used ({error})"))
    };
    let host = config.host.as_str();
    let builder = match config.tls {
        SmtpTls::Implicit => AsyncSmtpTransport::<Tokio1Executor>::relay(host).map_err(unusable)?,
        SmtpTls::StartTls => AsyncSmtpTransport::<Tokio1Executor>::starttls_relay(host).map_err(unusable)?,
        SmtpTls::Off => AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host),
    };
    let mut builder = builder.port(config.port);
    if let (Some(user), Some(password)) = (&config.user, &config.password) {
        let known = Credentials::new(user.clone(), password.expose().to_owned());
        builder = builder.credentials(known);
    }
    match builder.build().send(mail).await {
        Ok(_) => Ok(()),
        Err(error) => {
            let reason = format!("the mail server did not take it ({error})");
            if error.is_permanent() {
                Err(Failure::Never(reason))
            } else {
                Err(Failure::Later(reason))
            }
        }
    }
}
