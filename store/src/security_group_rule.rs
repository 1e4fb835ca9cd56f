//! Rules of security groups. A rule is made and deleted, and never changed: what it was stays true of it.

use crate::conn::Conn;
use crate::error::{Error, Result};
use crate::page::{Filter, Page, PageQuery};
use ipnetwork::IpNetwork;
use iroko_model::security_group::{IcmpType, PortRange, Protocol, Remote, Rule, RuleParts};
use iroko_model::{Labels, ProjectId, SecurityGroupId, SecurityGroupRuleId};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

/// A rule.
#[derive(Debug, Clone)]
pub struct SecurityGroupRule {
    /// The rule.
    pub id: Uuid,
    /// Its group.
    pub security_group_id: Uuid,
    /// What it says.
    pub rule: Rule,
    /// What it is for.
    pub description: String,
    /// Labels.
    pub labels: Value,
    /// When it was made.
    pub created_at: OffsetDateTime,
}

/// The columns that say what a rule says.
#[derive(Debug)]
pub(crate) struct Columns {
    pub(crate) direction: String,
    pub(crate) ethertype: String,
    pub(crate) protocol: Option<i16>,
    pub(crate) port_first: Option<i32>,
    pub(crate) port_last: Option<i32>,
    pub(crate) icmp_type: Option<i16>,
    pub(crate) icmp_code: Option<i16>,
    pub(crate) remote_cidr: Option<IpNetwork>,
    pub(crate) remote_group_id: Option<Uuid>,
    pub(crate) remote_address_set_id: Option<Uuid>,
}

impl From<&Rule> for Columns {
    fn from(rule: &Rule) -> Self {
        let parts: &RuleParts = rule.as_ref();
        Self {
            direction: parts.direction.as_str().to_owned(),
            ethertype: parts.ethertype.as_str().to_owned(),
            protocol: parts.protocol.map(|protocol| protocol.number().into()),
            port_first: parts.ports.map(|ports| ports.from.into()),
            port_last: parts.ports.map(|ports| ports.to.into()),
            icmp_type: parts.icmp.map(|icmp| icmp.kind.into()),
            icmp_code: parts.icmp.and_then(|icmp| icmp.code).map(i16::from),
            remote_cidr: if let Remote::Cidr(range) = parts.remote { Some(range) } else { None },
            remote_group_id: if let Remote::Group(id) = parts.remote { Some(id.as_uuid()) } else { None },
            remote_address_set_id: if let Remote::AddressSet(id) = parts.remote { Some(id.as_uuid()) } else { None },
        }
    }
}

impl TryFrom<Columns> for Rule {
    type Error = Error;

    fn try_from(row: Columns) -> Result<Self> {
        let octet = |number: i16| u8::try_from(number).map_err(Error::corrupt("octet"));
        let port = |number: i32| u16::try_from(number).map_err(Error::corrupt("port"));
        let ports = row.port_first.zip(row.port_last);
        let ports =
            ports.map(|(from, to)| Ok::<_, Error>(PortRange { from: port(from)?, to: port(to)? })).transpose()?;
        let code = row.icmp_code.map(octet).transpose()?;
        let icmp = row.icmp_type.map(|kind| Ok::<_, Error>(IcmpType { kind: octet(kind)?, code })).transpose()?;
        let remote = match (row.remote_cidr, row.remote_group_id, row.remote_address_set_id) {
            (Some(range), ..) => Remote::Cidr(range),
            (_, Some(id), _) => Remote::Group(id.into()),
            (.., Some(id)) => Remote::AddressSet(id.into()),
            _ => Remote::Any,
        };
        let parts = RuleParts {
            direction: row.direction.parse().map_err(Error::corrupt("direction"))?,
            ethertype: row.ethertype.parse().map_err(Error::corrupt("ethertype"))?,
            protocol: row.protocol.map(octet).transpose()?.map(Protocol::new),
            ports,
            icmp,
            remote,
        };
        Self::try_from(parts).map_err(Error::corrupt("security_group_rule"))
    }
}

/// Gives the row of a query the shape of a rule.
macro_rules! columns {
    ($row:expr) => {
        $crate::security_group_rule::Columns {
            direction: $row.direction,
            ethertype: $row.ethertype,
            protocol: $row.protocol,
            port_first: $row.port_first,
            port_last: $row.port_last,
            icmp_type: $row.icmp_type,
            icmp_code: $row.icmp_code,
            remote_cidr: $row.remote_cidr,
            remote_group_id: $row.remote_group_id,
            remote_address_set_id: $row.remote_address_set_id,
        }
    };
}
pub(crate) use columns;

macro_rules! shown {
    ($row:expr) => {{
        let row = $row;
        Ok(SecurityGroupRule {
            id: row.id,
            security_group_id: row.security_group_id,
            rule: columns!(row).try_into()?,
            description: row.description,
            labels: row.labels,
            created_at: row.created_at,
        })
    }};
}

/// A rule to be made.
#[derive(Debug)]
pub struct NewSecurityGroupRule<'a> {
    /// Owner.
    pub project_id: ProjectId,
    /// Its group.
    pub security_group_id: SecurityGroupId,
    /// What it says.
    pub rule: &'a Rule,
    /// What it is for.
    pub description: &'a str,
    /// Labels.
    pub labels: &'a Labels,
}

/// Makes the change of a group's rules one after the other, and counts its rules. `None` where the project
/// has no such group. To be called before a rule is made or deleted; tells the hosts with ports in the
/// group to look at it.
pub async fn security_group_touch(
    conn: &mut Conn,
    project_id: ProjectId,
    id: SecurityGroupId,
    refs: &[Uuid],
) -> Result<Option<i64>> {
    let touched = sqlx::query_scalar!(
        r#"WITH g AS (
               UPDATE security_group SET generation = generation + 1 WHERE project_id = $1 AND id = $2 RETURNING id
           ), told AS (
               INSERT INTO change (kind, object_id, refs) SELECT 'security_group', id, $3 FROM g
           )
           SELECT id FROM g"#,
        project_id.as_uuid(),
        id.as_uuid(),
        refs
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(id) = touched else { return Ok(None) };
    // A statement of its own: it must count what others committed while this one waited.
    let count =
        sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM security_group_rule WHERE security_group_id = $1"#, id);
    Ok(Some(count.fetch_one(conn).await?))
}

/// Other groups and address sets that a rule refers to.
pub fn refs(rule: &Rule) -> Vec<Uuid> {
    match rule.as_ref().remote {
        Remote::Group(id) => vec![id.as_uuid()],
        Remote::AddressSet(id) => vec![id.as_uuid()],
        Remote::Any | Remote::Cidr(_) => Vec::new(),
    }
}

/// Makes a rule, after [`security_group_touch`]. [`Error::Taken`] where the group has the same one, in whatever
/// words, [`Error::Missing`] where the project lacks what it refers to.
pub async fn security_group_rule_insert(conn: &mut Conn, new: &NewSecurityGroupRule<'_>) -> Result<SecurityGroupRule> {
    if rules_of_group(conn, new.security_group_id).await?.iter().any(|rule| rule.says_the_same(new.rule)) {
        return Err(Error::Taken("security_group_rule_once".to_owned()));
    }
    let says = Columns::from(new.rule);
    let row = sqlx::query!(
        "INSERT INTO security_group_rule (id, project_id, security_group_id, direction, ethertype, protocol, port_first, port_last,
                                          icmp_type, icmp_code, remote_cidr, remote_group_id, remote_address_set_id, description, labels)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
         RETURNING id, security_group_id, direction, ethertype, protocol, port_first, port_last, icmp_type, icmp_code,
                   remote_cidr, remote_group_id, remote_address_set_id, description, labels, created_at",
        SecurityGroupRuleId::new().as_uuid(),
        new.project_id.as_uuid(),
        new.security_group_id.as_uuid(),
        says.direction,
        says.ethertype,
        says.protocol,
        says.port_first,
        says.port_last,
        says.icmp_type,
        says.icmp_code,
        says.remote_cidr as Option<IpNetwork>,
        says.remote_group_id,
        says.remote_address_set_id,
        new.description,
        serde_json::json!(new.labels)
    )
    .fetch_one(conn)
    .await?;
    shown!(row)
}

/// What a group's rules say. Nobody adds one while its row is locked.
async fn rules_of_group(conn: &mut Conn, group: SecurityGroupId) -> Result<Vec<Rule>> {
    let rows = sqlx::query!(
        "SELECT direction, ethertype, protocol, port_first, port_last, icmp_type, icmp_code, remote_cidr, remote_group_id,
                remote_address_set_id
         FROM security_group_rule WHERE security_group_id = $1",
        group.as_uuid()
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| columns!(row).try_into()).collect()
}

/// One rule of a group of the project.
pub async fn security_group_rule_get(
    conn: &mut Conn,
    project_id: ProjectId,
    group: SecurityGroupId,
    id: SecurityGroupRuleId,
) -> Result<Option<SecurityGroupRule>> {
    let row = sqlx::query!(
        "SELECT id, security_group_id, direction, ethertype, protocol, port_first, port_last, icmp_type, icmp_code,
                remote_cidr, remote_group_id, remote_address_set_id, description, labels, created_at
         FROM security_group_rule WHERE project_id = $1 AND security_group_id = $2 AND id = $3",
        project_id.as_uuid(),
        group.as_uuid(),
        id.as_uuid()
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| shown!(row)).transpose()
}

/// A page of a group's rules. The filter's name is the description.
pub async fn security_group_rule_list(
    conn: &mut Conn,
    project_id: ProjectId,
    group: SecurityGroupId,
    page: PageQuery,
    filter: &Filter,
) -> Result<Page<SecurityGroupRule>> {
    let rows = sqlx::query!(
        "SELECT id, security_group_id, direction, ethertype, protocol, port_first, port_last, icmp_type, icmp_code,
                remote_cidr, remote_group_id, remote_address_set_id, description, labels, created_at
         FROM security_group_rule
         WHERE project_id = $1 AND security_group_id = $2 AND ($3::uuid IS NULL OR id > $3)
           AND ($5::text IS NULL OR description = $5) AND ($6::jsonb IS NULL OR labels @> $6)
         ORDER BY id LIMIT $4 + 1",
        project_id.as_uuid(),
        group.as_uuid(),
        page.after,
        page.limit,
        filter.name.as_deref(),
        filter.labels
    )
    .fetch_all(conn)
    .await?;
    let rows: Vec<SecurityGroupRule> = rows.into_iter().map(|row| shown!(row)).collect::<Result<_>>()?;
    Ok(Page::cut(rows, page, |row| row.id))
}

/// Deletes a rule, after [`security_group_touch`]; false where there was none.
pub async fn security_group_rule_delete(
    conn: &mut Conn,
    project_id: ProjectId,
    group: SecurityGroupId,
    id: SecurityGroupRuleId,
) -> Result<bool> {
    let done = sqlx::query!(
        "DELETE FROM security_group_rule WHERE project_id = $1 AND security_group_id = $2 AND id = $3",
        project_id.as_uuid(),
        group.as_uuid(),
        id.as_uuid()
    )
    .execute(conn)
    .await?;
    Ok(done.rows_affected() == 1)
}
