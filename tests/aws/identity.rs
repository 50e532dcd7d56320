//! Who and where we are.

use pumphouse::cloud::Error;

use crate::{
    fake::{Answer, Fake},
    harness,
};

pub const CALLER: &str = "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
                      <Arn>arn:aws:iam::123456789012:user/ada</Arn><UserId>AIDA</UserId><Account>123456789012</Account>\
                      </GetCallerIdentityResult></GetCallerIdentityResponse>";

#[tokio::test]
async fn the_caller_is_asked_for_once() {
    let fake = Fake::start(|_| Answer::xml(CALLER));
    let state = tempfile::tempdir().unwrap();
    let cloud = harness::cloud(&fake, &state);
    assert_eq!(cloud.identity.known().account, None);
    for _ in 0..2 {
        let identity = cloud.identity.ask().await.unwrap();
        assert_eq!(identity.account.as_deref(), Some("123456789012"));
        assert_eq!(identity.principal.as_deref(), Some("arn:aws:iam::123456789012:user/ada"));
        assert_eq!(identity.region.as_deref(), Some("eu-west-1"));
    }
    assert_eq!(fake.lines(), ["sts GetCallerIdentity"]);
    assert_eq!(cloud.traffic.traffic().unwrap().calls, 1);
}

#[tokio::test]
async fn expired_credentials_are_told_as_such() {
    let fake = Fake::start(|_| Answer::xml_error(403, "ExpiredToken", "The security token is expired"));
    let state = tempfile::tempdir().unwrap();
    let told = harness::cloud(&fake, &state).identity.ask().await.unwrap_err();
    assert!(matches!(&told, Error::Credentials(text) if text.contains("expired")), "{told:?}");
}
