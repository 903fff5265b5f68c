//! The scheduler's address: only what may be spoken to.

use http::Uri;

use crate::ClientError;

/// A checked base address, without a `/` at its end.
pub(crate) struct Address {
    pub(crate) text: String,
    pub(crate) plain: bool,
}

impl Address {
    pub(crate) fn parse(url: &str) -> Result<Self, ClientError> {
        let refuse = |why| ClientError::Address { url: url.chars().take(200).collect(), why };
        let text = url.trim_end_matches('/');
        let uri: Uri = text.parse().map_err(|_| refuse("it is not a URL"))?;
        let plain = match uri.scheme_str() {
            Some("https") => false,
            Some("http") => true,
            _ => return Err(refuse("it does not start with `https://`")),
        };
        let host = uri.host().ok_or_else(|| refuse("it names no host"))?;
        if uri.authority().is_some_and(|a| a.as_str().contains('@')) {
            return Err(refuse("credentials do not belong into an address"));
        }
        if uri.query().is_some() {
            return Err(refuse("it has a query"));
        }
        if plain && !is_loopback(host) {
            return Err(refuse("plain `http://` is for a scheduler on this machine only"));
        }
        Ok(Self { text: text.to_owned(), plain })
    }
}

/// `localhost` or a loopback address; no name is looked up.
fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn https_to_anyone_and_http_to_this_machine_are_accepted() {
        for url in [
            "https://a.example",
            "https://a.example:8443/base/",
            "http://127.0.0.1:7440",
            "http://localhost:1",
            "http://[::1]:7440",
        ] {
            assert!(Address::parse(url).is_ok(), "{url}");
        }
    }

    #[test]
    fn plain_http_elsewhere_credentials_and_other_schemes_are_refused() {
        for url in [
            "http://a.example",
            "http://127.0.0.1.evil.example",
            "http://localhost.evil.example",
            "http://10.0.0.1",
            "https://u:p@a.example",
            "ftp://a.example",
            "a.example",
            "",
            "https://a.example/?x=1",
        ] {
            assert!(Address::parse(url).is_err(), "{url}");
        }
    }
}
