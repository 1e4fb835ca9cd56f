//! SSH keys.

use crate::App;
use crate::show::Show;
use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use iroko_identity::extract::ListQuery;
use iroko_identity::service::quota;
use iroko_model::ssh_key::blob;
use iroko_model::{Labels, Name, ProjectId, SshKeyId};
use iroko_store::authority::Scope;
use iroko_store::{Wake, ssh_key};
use iroko_web::problem::{Kind, Problem, Result};
use iroko_wire::List;
use iroko_wire::ssh_key::{SshKey, SshKeyCreate};
use sha2::{Digest, Sha256};

/// Makes a key's record.
pub async fn create(app: &App, project: ProjectId, request: SshKeyCreate) -> Result<SshKey> {
    let (name, line, labels): (Name, String, Labels) = request.try_into()?;
    let mut tx = app.store.begin_bound(project).await?;
    quota::take(&mut tx, Scope::Project(project), &[("ssh_keys", 1)]).await?;
    let row = ssh_key::ssh_key_insert(&mut tx, project, &name, &line, &fingerprint(&line), &labels).await?;
    app.store.commit_for(tx, Wake::Nobody).await?;
    Ok(row.show())
}

/// `SHA256:` and the unpadded base64 of the blob's SHA-256, as ssh-keygen prints it.
fn fingerprint(line: &str) -> String {
    let octets = line.split_whitespace().nth(1).and_then(blob).unwrap_or_default();
    format!("SHA256:{}", BASE64_STANDARD_NO_PAD.encode(Sha256::digest(octets)))
}

/// A page of keys.
pub async fn list(app: &App, project: ProjectId, query: ListQuery) -> Result<List<SshKey>> {
    let mut tx = app.store.begin_bound(project).await?;
    Ok(iroko_web::list(ssh_key::ssh_key_list(&mut tx, project, query.page, &query.filter).await?, Show::show))
}

/// One key.
pub async fn get(app: &App, project: ProjectId, id: SshKeyId) -> Result<SshKey> {
    let mut tx = app.store.begin_bound(project).await?;
    let row = ssh_key::ssh_key_get(&mut tx, project, id).await?;
    row.map(Show::show).ok_or(Problem::new(Kind::NotFound))
}

/// Deletes a key's record. Machines made with it keep accepting it.
pub async fn delete(app: &App, project: ProjectId, id: SshKeyId) -> Result<()> {
    let mut tx = app.store.begin_bound(project).await?;
    if !ssh_key::ssh_key_delete(&mut tx, project, id).await? {
        return Err(Problem::new(Kind::NotFound));
    }
    Ok(app.store.commit_for(tx, Wake::Nobody).await?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn fingerprints_are_those_of_ssh_keygen() {
        let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl x";
        assert_eq!(super::fingerprint(line), "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU");
    }
}
