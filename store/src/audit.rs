//! The audit log: sealing records into the Merkle tree, and reading them.
//!
//! Records are inserted by the transactions they tell of ([`crate::request`]) and get their place in the
//! tree afterwards, by one sealer at a time, in the order of their transactions. From then on their text
//! is fixed by the tree's root.

use crate::conn::Conn;
use crate::error::{Error, Result};
use crate::number::{stored, unsigned};
use crate::page::{Page, PageQuery};
use iroko_model::{OrganizationId, ProjectId};
use serde_json::{Value, json};
use std::collections::HashMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use uuid::Uuid;

/// Key of the advisory lock that makes one sealer at a time.
const SEALER: i64 = 0x6972_6f6b_6f61_7564;

/// The right edge of the tree, as the database holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tree {
    /// Leaves.
    pub size: u64,
    /// Hashes of the perfect subtrees, left to right.
    pub edge: Vec<Vec<u8>>,
}

/// The tree as it is.
pub async fn audit_tree(conn: &mut Conn) -> Result<Tree> {
    let row = sqlx::query!("SELECT size, edge FROM audit_tree").fetch_one(conn).await?;
    Ok(Tree { size: unsigned("size", row.size)?, edge: row.edge })
}

/// A record that waits for its place.
#[derive(Debug)]
pub struct Unsealed {
    /// The record.
    pub id: Uuid,
    /// Its text, with its places in the tree and in its organization.
    pub record: String,
    owner: Uuid,
    index: u64,
    organization_index: u64,
}

/// Takes the sealer's turn and up to `limit` records that are due, with the tree they follow on; `None`
/// where another has the turn. Only records of ended transactions are due, in their order.
pub async fn audit_seal_begin(conn: &mut Conn, limit: i64) -> Result<Option<(Tree, Vec<Unsealed>)>> {
    let turn = sqlx::query_scalar!(r#"SELECT pg_try_advisory_xact_lock($1) AS "turn!""#, SEALER);
    if !turn.fetch_one(&mut *conn).await? {
        return Ok(None);
    }
    let tree = audit_tree(&mut *conn).await?;
    let rows = sqlx::query!(
        r#"SELECT id, organization_id, project_id, created_at, body AS "body!" FROM audit_record
           WHERE leaf_index IS NULL AND revision < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
           ORDER BY revision, id LIMIT $1"#,
        limit
    )
    .fetch_all(&mut *conn)
    .await?;
    let owners: Vec<Uuid> = rows.iter().map(|row| row.organization_id.unwrap_or_default()).collect();
    let numbers = sqlx::query!("SELECT owner, next FROM audit_numbering WHERE owner = ANY($1)", &owners);
    let mut next: HashMap<Uuid, u64> = HashMap::new();
    for row in numbers.fetch_all(conn).await? {
        next.insert(row.owner, unsigned("next", row.next)?);
    }
    let mut unsealed = Vec::with_capacity(rows.len());
    for (index, (row, owner)) in (tree.size..).zip(rows.into_iter().zip(owners)) {
        let number = next.entry(owner).or_default();
        let mut whole = json!({
            "index": index,
            "organization_index": *number,
            "id": row.id,
            "time": row.created_at.format(&Rfc3339).map_err(Error::corrupt("created_at"))?,
            "organization_id": row.organization_id,
            "project_id": row.project_id,
        });
        if let (Value::Object(whole), Value::Object(body)) = (&mut whole, row.body) {
            whole.extend(body);
        }
        unsealed.push(Unsealed { id: row.id, record: whole.to_string(), owner, index, organization_index: *number });
        *number += 1;
    }
    Ok(Some((tree, unsealed)))
}

/// Gives records their place. `leaves`: their hashes; `edge`: that of the tree with them.
pub async fn audit_seal_finish(
    conn: &mut Conn,
    records: &[Unsealed],
    leaves: &[Vec<u8>],
    edge: &[Vec<u8>],
) -> Result<()> {
    let Some(last) = records.last() else { return Ok(()) };
    let ids: Vec<Uuid> = records.iter().map(|record| record.id).collect();
    let texts: Vec<String> = records.iter().map(|record| record.record.clone()).collect();
    let indices: Vec<i64> = records.iter().map(|record| stored(record.index)).collect();
    let numbers: Vec<i64> = records.iter().map(|record| stored(record.organization_index)).collect();
    sqlx::query!(
        "UPDATE audit_record a SET leaf_index = s.leaf_index, organization_index = s.number, leaf_hash = s.hash, record = s.record, body = NULL
         FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bytea[], $5::text[]) AS s (id, leaf_index, number, hash, record)
         WHERE a.id = s.id",
        &ids,
        &indices,
        &numbers,
        leaves,
        &texts
    )
    .execute(&mut *conn)
    .await?;
    let next: HashMap<Uuid, i64> = records.iter().map(|r| (r.owner, stored(r.organization_index) + 1)).collect();
    let (owners, next): (Vec<Uuid>, Vec<i64>) = next.into_iter().unzip();
    sqlx::query!(
        "INSERT INTO audit_numbering (owner, next) SELECT * FROM unnest($1::uuid[], $2::bigint[])
         ON CONFLICT (owner) DO UPDATE SET next = excluded.next",
        &owners,
        &next
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("UPDATE audit_tree SET size = $1, edge = $2", stored(last.index) + 1, edge).execute(conn).await?;
    Ok(())
}

/// Whose records.
#[derive(Debug, Clone, Copy)]
pub enum Audited {
    /// Those of no organization: the operator's.
    System,
    /// Those of an organization and its projects.
    Organization(OrganizationId),
    /// Those of a project.
    Project(ProjectId),
}

impl Audited {
    fn columns(self) -> (bool, Option<Uuid>, Option<Uuid>) {
        match self {
            Self::System => (true, None, None),
            Self::Organization(id) => (false, Some(id.as_uuid()), None),
            Self::Project(id) => (false, None, Some(id.as_uuid())),
        }
    }
}

/// A leaf of the tree: its hash, and its text where the reader may see it.
#[derive(Debug)]
pub struct Leaf {
    /// Its place.
    pub index: u64,
    /// Its hash, as stored.
    pub hash: Vec<u8>,
    /// Its text.
    pub record: Option<String>,
}

/// Leaves from place `from` on, at most `limit`, below `size`.
pub async fn audit_leaves(conn: &mut Conn, whose: Audited, from: u64, size: u64, limit: i64) -> Result<Vec<Leaf>> {
    let (system, organization, project) = whose.columns();
    let rows = sqlx::query!(
        r#"SELECT leaf_index AS "index!", leaf_hash AS "hash!",
                  CASE WHEN ($1 AND organization_id IS NULL) OR organization_id = $2 OR project_id = $3 THEN record END AS record
           FROM audit_record WHERE leaf_index >= $4 AND leaf_index < $5 ORDER BY leaf_index LIMIT $6"#,
        system,
        organization,
        project,
        stored(from),
        stored(size),
        limit
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| Ok(Leaf { index: unsigned("leaf_index", row.index)?, hash: row.hash, record: row.record }))
        .collect()
}

/// Which records of a list are wanted.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Only of this user or service account.
    pub actor_id: Option<Uuid>,
    /// Only of this operation.
    pub operation: Option<String>,
    /// Only with this outcome.
    pub outcome: Option<String>,
    /// Only from then on.
    pub since: Option<OffsetDateTime>,
    /// Only before then.
    pub until: Option<OffsetDateTime>,
}

/// A sealed record.
#[derive(Debug)]
pub struct Record {
    /// The record.
    pub id: Uuid,
    /// Its text, exactly as hashed.
    pub record: String,
}

/// A page of sealed records, oldest first.
pub async fn audit_list(
    conn: &mut Conn,
    whose: Audited,
    page: PageQuery,
    filter: &AuditFilter,
) -> Result<Page<Record>> {
    let (system, organization, project) = whose.columns();
    let rows = sqlx::query_as!(
        Record,
        r#"SELECT id, record AS "record!" FROM audit_record
           WHERE record IS NOT NULL AND (($1 AND organization_id IS NULL) OR organization_id = $2 OR project_id = $3)
             AND ($4::uuid IS NULL OR id > $4) AND ($5::uuid IS NULL OR actor_id = $5)
             AND ($6::text IS NULL OR operation = $6) AND ($7::text IS NULL OR outcome = $7)
             AND ($8::timestamptz IS NULL OR created_at >= $8) AND ($9::timestamptz IS NULL OR created_at < $9)
           ORDER BY id LIMIT $10 + 1"#,
        system,
        organization,
        project,
        page.after,
        filter.actor_id,
        filter.operation.as_deref(),
        filter.outcome.as_deref(),
        filter.since,
        filter.until,
        page.limit
    )
    .fetch_all(conn)
    .await?;
    Ok(Page::cut(rows, page, |row| row.id))
}
