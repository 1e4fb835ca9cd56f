//! SSH keys.

use super::{common, naming, written};
use crate::App;
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use iroko_identity::extract::Tenant;
use iroko_identity::resource::service::taken;
use iroko_identity::resource::{Change, Create, Delete, Place, Resource, Routes, Words, owner};
use iroko_model::permission::perm;
use iroko_model::ssh_key::blob;
use iroko_store::noun::Within;
use iroko_store::ssh_key::{self as store, SshKey as Row};
use iroko_store::{Store, Tx};
use iroko_web::problem::Result;
use iroko_wire::ssh_key::{SshKey, SshKeyCreate, SshKeySettings};
use sha2::{Digest, Sha256};
use utoipa_axum::router::OpenApiRouter;

pub(super) fn router() -> OpenApiRouter<App> {
    Routes::<SshKeys, App>::read().create().change().delete().router()
}

struct SshKeys;

impl Resource for SshKeys {
    type Row = Row;
    type Shown = SshKey;
    type Read = Tenant<perm::SshKeyRead>;
    const WORDS: Words = Words { id: "ssh_key", a: "an SSH key", many: "SSH keys", tag: "SSH keys" };
    const PATH: &'static str = "/v1/projects/{project_id}/ssh-keys";
    const PARAMETER: &'static str = "ssh_key_id";

    fn show(row: Row, _: &dyn Place) -> SshKey {
        let Row { common: is, project_id, public_key, fingerprint } = row;
        SshKey { common: common(is), project_id, public_key, fingerprint }
    }
}

impl Create for SshKeys {
    type Request = SshKeyCreate;
    type By = Tenant<perm::SshKeyCreate>;
    type Needs = Store;
    const QUOTA: Option<&'static str> = Some("ssh_keys");
    const CREATE: &'static str = "A public key that instances can be made with.";

    async fn create(
        tx: &mut Tx,
        _: &<Self as Create>::By,
        within: &Within,
        _: &Store,
        asked: SshKeyCreate,
    ) -> Result<Row> {
        let naming = written(asked.name, asked.description, asked.labels);
        let print = fingerprint(asked.public_key.as_str());
        let made = store::ssh_key_insert(tx, owner(within)?, &naming, &asked.public_key, print).await;
        made.map_err(taken::<Self>)
    }
}

/// `SHA256:` and the unpadded base64 of the blob's SHA-256, as ssh-keygen prints it.
fn fingerprint(line: &str) -> String {
    let octets = line.split_whitespace().nth(1).and_then(blob).unwrap_or_default();
    format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(Sha256::digest(octets)))
}

impl Change for SshKeys {
    type Settings = SshKeySettings;
    type By = Tenant<perm::SshKeyUpdate>;
    const UPDATE: &'static str = "SshKeyUpdate";
    const CHANGE: &'static str = "The key itself never changes: make another.";

    fn settings(row: &Row) -> Result<SshKeySettings> {
        let written = naming(&row.common)?;
        Ok(SshKeySettings { name: written.name, description: written.description, labels: written.labels })
    }

    async fn change(tx: &mut Tx, _: &<Self as Change>::By, _: &Within, row: Row, to: SshKeySettings) -> Result<Row> {
        let naming = written(to.name, to.description, to.labels);
        store::ssh_key_update(tx, row.common.id, &naming).await.map_err(taken::<Self>)
    }
}

impl Delete for SshKeys {
    type By = Tenant<perm::SshKeyDelete>;
    const DELETE: &'static str = "Instances made with it keep accepting it.";
}

#[cfg(test)]
mod tests {
    #[test]
    fn fingerprints_are_those_of_ssh_keygen() {
        let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl x";
        assert_eq!(super::fingerprint(line), "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
    }
}
