//! Public SSH keys of a project. An instance copies the keys it is made with.

use crate::conn::Conn;
use crate::error::Result;
use crate::noun::{self, Columns, Common, Noun};
use iroko_model::ssh_key::PublicKey;
use iroko_model::{Naming, ProjectId, SshKeyId};
use sqlx::FromRow;
use uuid::Uuid;

/// A public key.
#[derive(Debug, Clone, FromRow)]
pub struct SshKey {
    /// What every noun has; the name is unique in the project.
    #[sqlx(flatten)]
    pub common: Common<SshKeyId>,
    /// Owner.
    #[sqlx(try_from = "Uuid")]
    pub project_id: ProjectId,
    /// The `authorized_keys` line.
    pub public_key: String,
    /// `SHA256:...`, as ssh-keygen prints it.
    pub fingerprint: String,
}

impl Noun for SshKey {
    type Id = SshKeyId;
    const TABLE: &'static str = "ssh_key";
    const COLUMNS: &'static str = "n.project_id, n.public_key, n.fingerprint";

    fn common(&self) -> &Common<SshKeyId> {
        &self.common
    }
}

/// Makes a key's record.
pub async fn ssh_key_insert(
    conn: &mut Conn,
    project: ProjectId,
    naming: &Naming,
    key: &PublicKey,
    fingerprint: String,
) -> Result<SshKey> {
    let row = Columns::default()
        .naming(naming)?
        .set("project_id", project.as_uuid())?
        .set("public_key", key.as_str().to_owned())?
        .set("fingerprint", fingerprint)?;
    noun::insert(conn, SshKeyId::new(), row).await
}

/// Changes what people wrote on a key that the caller has locked.
pub async fn ssh_key_update(conn: &mut Conn, id: SshKeyId, naming: &Naming) -> Result<SshKey> {
    noun::update(conn, id, Columns::default().naming(naming)?).await
}
