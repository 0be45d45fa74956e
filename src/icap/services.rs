//! The clients of all services by name, and what becomes of them when the settings change.

use std::sync::Arc;

use super::client::IcapClient;
use super::settings::IcapService;
use super::stats::IcapStats;

/// The clients of all services. Immutable: other settings make another one.
#[derive(Debug, Default)]
pub struct IcapServices {
    /// A handful, in the order of the settings.
    clients: Vec<Arc<IcapClient>>,
}

impl IcapServices {
    /// A client for each of `services`; nothing is connected.
    pub fn new(services: &[IcapService]) -> Self {
        Self::default().renewed(services)
    }

    /// The client of the service `name`.
    pub fn get(&self, name: &str) -> Option<&Arc<IcapClient>> {
        self.clients.iter().find(|client| *client.settings().name == *name)
    }

    /// The clients for other settings. Those whose settings are the same stay, with their connections and all that is
    /// known of their servers; the others begin anew, but go on counting where those of the same name were. What is under
    /// way at a client that is let go comes to its end there.
    #[must_use]
    pub fn renewed(&self, services: &[IcapService]) -> Self {
        let client = |settings: &IcapService| match self.get(&settings.name) {
            Some(client) if client.settings() == settings => client.clone(),
            Some(client) => client.with_settings(settings.clone()),
            None => IcapClient::new(settings.clone()),
        };
        Self { clients: services.iter().map(client).collect() }
    }

    /// To be called about once a second; see [`IcapClient::tidy`].
    pub async fn tidy(&self) {
        for client in &self.clients {
            client.tidy().await;
        }
    }

    /// What each service has done, and how it stands.
    pub fn stats(&self) -> Vec<IcapStats> {
        self.clients.iter().map(|client| client.stats()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str, port: u16) -> IcapService {
        IcapService::new(name, vec![format!("icap://127.0.0.1:{port}/x").parse().expect("an address")])
    }

    #[test]
    fn what_is_the_same_stays_the_same() {
        let before = IcapServices::new(&[service("av", 1), service("dlp", 2), service("old", 3)]);
        let after = before.renewed(&[service("new", 4), service("dlp", 5), service("av", 1)]);
        let one = |services: &IcapServices, name| services.get(name).cloned();
        assert!(Arc::ptr_eq(&one(&before, "av").expect("av"), &one(&after, "av").expect("av")));
        assert!(!Arc::ptr_eq(&one(&before, "dlp").expect("dlp"), &one(&after, "dlp").expect("dlp")));
        assert_eq!(&*one(&after, "dlp").expect("dlp").servers()[0].server, "icap://127.0.0.1:5/x");
        assert!(one(&after, "old").is_none() && one(&after, "new").is_some());
        let names: Vec<Arc<str>> = after.stats().into_iter().map(|stats| stats.service).collect();
        assert_eq!(names, ["new".into(), "dlp".into(), "av".into()] as [Arc<str>; 3]);
    }
}
