//! Messages on a topic of an MQTT broker, at least once. One message, one connection: they are rare, and nothing has to
//! be kept alive.

use std::sync::Arc;
use std::time::Duration;

use rumqttc::{AsyncClient, Event, Incoming, MqttOptions, QoS, TlsConfiguration, Transport};
use rustls::ClientConfig;

use super::Failure;
use super::message::Message;
use crate::config::MqttConfig;

/// Longer than any attempt.
const KEEP_ALIVE: Duration = Duration::from_mins(1);

/// Publishes and waits for the broker's acknowledgement.
pub(super) async fn publish(
    trust: &Arc<ClientConfig>,
    config: &MqttConfig,
    message: &Message,
) -> Result<(), Failure> {
    let mut id = [0; 6];
    getrandom::fill(&mut id).map_err(|_| Failure::Later("the system gives no random numbers".to_owned()))?;
    let mut options = MqttOptions::new(
        format!("hubd-{}", crate::store::shape::hex(&id)),
        config.host.clone(),
        config.port,
    );
    options.set_keep_alive(KEEP_ALIVE);
    if let (Some(user), Some(password)) = (&config.user, &config.password) {
        options.set_credentials(user.clone(), password.expose().to_owned());
    }
    if config.tls {
        let tls = TlsConfiguration::Rustls(Arc::clone(trust));
        options.set_transport(Transport::tls_with_config(tls));
    }
    let later = |reason: String| Failure::Later(format!("the broker did not take it ({reason})"));
    let (client, mut events) = AsyncClient::new(options, 4);
    client
        .publish(
            config.topic.clone(),
            QoS::AtLeastOnce,
            false,
            message.to_json().to_string(),
        )
        .await
        .map_err(|error| later(error.to_string()))?;
    loop {
        match events.poll().await {
            Ok(Event::Incoming(Incoming::PubAck(_))) => break,
            Ok(_) => {}
            Err(error) => return Err(later(error.to_string())),
        }
    }
    // A broker that does not hear the farewell sees the connection end.
    if client.disconnect().await.is_ok() {
        let _ = tokio::time::timeout(Duration::from_secs(1), events.poll()).await;
    }
    Ok(())
}
