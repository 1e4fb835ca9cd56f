//! Pages and filters of lists.

use super::ApiQuery;
use crate::problem::{Faults, Problem, Result};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use iroko_model::Invalid;
use iroko_model::text::nfc;
use iroko_store::{Filter, PageQuery};
use iroko_wire::page::{LIMIT_DEFAULT, LIMIT_MAX, ListParams, id_of, labels_of};

/// A checked list query.
#[derive(Debug)]
pub struct ListQuery {
    /// The page.
    pub page: PageQuery,
    /// The filter.
    pub filter: Filter,
}

impl<S: Send + Sync> FromRequestParts<S> for ListQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self> {
        let ApiQuery(params) = ApiQuery::<ListParams>::from_request_parts(parts, state).await?;
        Self::try_from(params)
    }
}

impl TryFrom<ListParams> for ListQuery {
    type Error = Problem;

    fn try_from(params: ListParams) -> Result<Self> {
        let mut faults = Faults::default();
        let limit = params.limit.unwrap_or(LIMIT_DEFAULT);
        if !(1..=LIMIT_MAX).contains(&limit) {
            faults.note("limit", Invalid::new("limit_range", format!("limit is a number from 1 to {LIMIT_MAX}")));
        }
        let after = params.cursor.as_deref().map(id_of).transpose();
        let after = faults.take("cursor", after).flatten();
        let labels = params.label.as_deref().map(labels_of).transpose();
        let labels = faults.take("label", labels).flatten();
        faults.finish()?;
        // Names and labels are kept in NFC; whoever asks may have typed another form.
        let name = params.name.map(|name| nfc(&name.replace('\0', "")));
        Ok(Self { page: PageQuery { limit, after }, filter: Filter { name, labels } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Kind;
    use iroko_wire::page::cursor_of;
    use uuid::Uuid;

    #[test]
    fn queries_are_checked() {
        let id = Uuid::now_v7();
        let good = ListParams { cursor: Some(cursor_of(id)), label: Some("a=1,b=x=y".into()), ..ListParams::default() };
        let query = ListQuery::try_from(good).unwrap();
        assert_eq!((query.page.after, query.page.limit), (Some(id), 100));
        assert_eq!(query.filter.labels.unwrap(), serde_json::json!({"a": "1", "b": "x=y"}));
        for bad in [
            ListParams { limit: Some(0), ..ListParams::default() },
            ListParams { cursor: Some("???".into()), ..ListParams::default() },
            ListParams { label: Some("a".into()), ..ListParams::default() },
        ] {
            assert_eq!(ListQuery::try_from(bad).unwrap_err().kind(), Kind::Invalid);
        }
    }
}
