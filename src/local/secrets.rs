//! Secrets: values in the state's private folder, shown to nobody but the functions that may read them.

use async_trait::async_trait;
use rusqlite::{OptionalExtension, params};

use super::{Local, clock::timestamp, lookup, store::sql};
use crate::cloud::{
    Error, Pages, Permit, Result,
    secrets::{Secret, SecretValue, Secrets},
};

/// The limit of Secrets Manager, in bytes.
const MAX_VALUE: usize = 65_536;

#[async_trait]
impl Secrets for Local {
    fn list(&self) -> Pages<'_, Secret> {
        Pages::once(async move {
            self.inner
                .store
                .read(|c| {
                    let mut changed = c.prepare_cached("select changed from secrets where name = ?1").map_err(sql)?;
                    lookup::all(c, "secret")?
                        .into_iter()
                        .map(|deployed| {
                            let name = deployed.resource.physical_name;
                            let changed: Option<i64> =
                                changed.query_row([&name], |r| r.get(0)).optional().map_err(sql)?;
                            let set = changed.is_some();
                            Ok(Secret { name, pipeline: deployed.pipeline, set, changed: changed.map(timestamp) })
                        })
                        .collect()
                })
                .await
        })
    }

    /// [`Error::NotFound`] also where no value was set yet, as AWS has it.
    async fn get(&self, permit: &Permit, name: &str) -> Result<SecretValue> {
        permit.check("secretsmanager:GetSecretValue", name)?;
        let name = name.to_owned();
        self.inner
            .store
            .read(move |c| {
                lookup::must_exist(c, "secret", &name)?;
                let value: Option<String> = c
                    .prepare_cached("select value from secrets where name = ?1")
                    .and_then(|mut s| s.query_row([&name], |r| r.get(0)).optional())
                    .map_err(sql)?;
                value.map(SecretValue::new).ok_or_else(|| Error::not_found("value of the secret", name))
            })
            .await
    }

    async fn set(&self, permit: &Permit, name: &str, value: &SecretValue) -> Result<()> {
        permit.check("secretsmanager:PutSecretValue", name)?;
        match value.expose().len() {
            1..=MAX_VALUE => {}
            0 => return Err(Error::invalid("a secret's value is not empty")),
            n => return Err(Error::invalid(format!("a secret's value has at most 64 KiB, and this one {n} bytes"))),
        }
        let (name, value, clock) = (name.to_owned(), value.clone(), self.inner.clock.clone());
        self.inner
            .store
            .write(move |t| {
                lookup::must_exist(t, "secret", &name)?;
                t.execute(
                    "insert into secrets values (?1, ?2, ?3) \
                     on conflict (name) do update set value = excluded.value, changed = excluded.changed",
                    params![name, value.expose(), clock.now_ms()],
                )
                .map_err(sql)?;
                Ok(())
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        cloud::{
            Grant,
            resources::{self, Properties},
        },
        local::testing,
    };

    #[tokio::test]
    async fn a_value_is_for_the_one_who_may_read_it() {
        let (_dir, local) = testing::local();
        testing::deploy(&local, &[testing::resource("key", Properties::Secret(resources::Secret::default()))]);
        let operator = testing::permit();
        assert!(!Secrets::list(&local).await.unwrap()[0].set);
        let missing = local.get(&operator, "key").await;
        assert!(matches!(missing, Err(Error::NotFound { kind: "value of the secret", .. })));
        local.set(&operator, "key", &SecretValue::new("s3cret")).await.unwrap();
        local.set(&operator, "key", &SecretValue::new("s3cret-2")).await.unwrap();
        assert!(Secrets::list(&local).await.unwrap()[0].set);

        let grant = Grant { action: "secretsmanager:GetSecretValue".into(), resource: "key".into() };
        let role = Permit::role("role", [grant].into(), "r");
        assert_eq!(local.get(&role, "key").await.unwrap().expose(), "s3cret-2");
        let other = Permit::role("other", [].into(), "r");
        assert!(matches!(local.get(&other, "key").await, Err(Error::AccessDenied { .. })));
        assert!(matches!(local.set(&role, "key", &SecretValue::new("x")).await, Err(Error::AccessDenied { .. })));
    }

    #[tokio::test]
    async fn what_is_no_secret_or_no_value_is_refused() {
        let (_dir, local) = testing::local();
        testing::deploy(&local, &[testing::resource("key", Properties::Secret(resources::Secret::default()))]);
        let operator = testing::permit();
        assert!(matches!(local.set(&operator, "key", &SecretValue::new("")).await, Err(Error::Invalid(_))));
        let long = SecretValue::new("x".repeat(MAX_VALUE + 1));
        assert!(matches!(local.set(&operator, "key", &long).await, Err(Error::Invalid(_))));
        let unknown = local.set(&operator, "other", &SecretValue::new("x")).await;
        assert!(matches!(unknown, Err(Error::NotFound { kind: "secret", .. })));
    }
}
