//! The HTTP client of all that is asked of AWS: our TLS library, the proxies and certificates that the environment names.

use aws_smithy_http_client::{
    Builder, Connector,
    proxy::ProxyConfig,
    tls::{self, TlsContext, TrustStore},
};
use aws_smithy_runtime_api::client::{http::SharedHttpClient, runtime_components::RuntimeComponents};
use rustls::pki_types::{CertificateDer, pem::PemObject};

use super::profiles::environment;
use crate::cloud::{Error, Result};

/// The client. Certificates are those of `AWS_CA_BUNDLE`, else of the profile's `ca_bundle`, else the system's; proxies
/// are those of `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.
pub(super) fn client(ca_bundle: Option<&str>) -> Result<SharedHttpClient> {
    trusting(environment("AWS_CA_BUNDLE").as_deref().or(ca_bundle))
}

/// The client, trusting the certificates in this file, else the system's.
fn trusting(bundle: Option<&str>) -> Result<SharedHttpClient> {
    let mut context = TlsContext::builder();
    if let Some(path) = bundle {
        let pem = std::fs::read(path).map_err(|e| format!("{e}")).and_then(|pem| checked(&pem).map(|()| pem));
        let pem = pem.map_err(|e| Error::Credentials(format!("the certificates in {path} (AWS_CA_BUNDLE): {e}")))?;
        context = context.with_trust_store(TrustStore::empty().with_pem_certificate(pem));
    }
    let context = context.build().map_err(|e| Error::Unavailable(format!("TLS: {e}")))?;
    Ok(Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder();
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector
            .proxy_config(ProxyConfig::from_env())
            .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
            .tls_context(context.clone())
            .build()
    }))
}

/// The client takes for granted that they are well.
fn checked(pem: &[u8]) -> std::result::Result<(), String> {
    let certificates = CertificateDer::pem_slice_iter(pem).collect::<std::result::Result<Vec<_>, _>>();
    let certificates = certificates.map_err(|e| e.to_string())?;
    if certificates.is_empty() {
        return Err("no certificate in it".into());
    }
    let mut roots = rustls::RootCertStore::empty();
    for certificate in certificates {
        roots.add(certificate).map_err(|e| e.to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_that_is_none_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ca.pem");
        std::fs::write(&path, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
        let told = trusting(path.to_str()).unwrap_err();
        assert!(matches!(&told, Error::Credentials(text) if text.contains("ca.pem")), "{told:?}");
        std::fs::write(&path, "").unwrap();
        assert!(trusting(path.to_str()).unwrap_err().to_string().contains("no certificate in it"));
    }
}
