//! From the claims of a person to a user name and groups. Pure.

use super::id_token::Claims;
use iroko_wire::identity_provider::Rule;
use serde_json::Value;
use uuid::Uuid;

/// Longest user name, in characters.
const USERNAME_MAX: usize = 128;

/// Groups that the rules put the person into.
pub fn groups(rules: &[Rule], claims: &Claims) -> Vec<Uuid> {
    let meets = |rule: &&Rule| match find(claims, &rule.claim) {
        Some(Value::Array(items)) => items.iter().any(|item| is(item, &rule.value)),
        Some(value) => is(value, &rule.value),
        None => false,
    };
    let mut groups: Vec<Uuid> = rules.iter().filter(meets).map(|rule| rule.group_id).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

/// The person's user name, if the claim has one that can be.
pub fn username(prefix: &str, claim: &str, claims: &Claims) -> Option<String> {
    let name = find(claims, claim).and_then(Value::as_str).map(str::trim).filter(|name| !name.is_empty())?;
    let username = iroko_model::text::readable(&format!("{prefix}{name}")).ok()?;
    (username.chars().count() <= USERNAME_MAX).then_some(username)
}

fn is(value: &Value, wanted: &str) -> bool {
    match value {
        Value::String(text) => text == wanted,
        Value::Bool(is_so) => wanted == if *is_so { "true" } else { "false" },
        Value::Number(number) => number.to_string() == wanted,
        _ => false,
    }
}

/// A claim by its name (names of claims may have dots themselves), else by its path.
fn find<'a>(claims: &'a Claims, name: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(name) {
        return Some(value);
    }
    let mut parts = name.split('.');
    let first = claims.get(parts.next()?)?;
    parts.try_fold(first, |value, part| value.get(part))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn claims() -> Claims {
        let claims = json!({"groups": ["admins", "staff"], "email_verified": true, "department": "dgi",
            "realm_access": {"roles": ["dba"]}, "https://x.example/roles": ["ops"], "preferred_username": " ama ",
            "nul": "a\u{0}b", "empty": ""});
        claims.as_object().unwrap().clone()
    }

    #[test]
    fn rules_put_people_into_groups() {
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let rule = |claim: &str, value: &str, group_id| Rule { claim: claim.into(), value: value.into(), group_id };
        for (claim, value, meets) in [
            ("groups", "admins", true),
            ("groups", "admin", false),
            ("groups", "[\"admins\",\"staff\"]", false),
            ("department", "dgi", true),
            ("email_verified", "true", true),
            ("realm_access.roles", "dba", true),
            ("https://x.example/roles", "ops", true),
            ("realm_access", "dba", false),
            ("absent", "", false),
        ] {
            assert_eq!(!groups(&[rule(claim, value, one)], &claims()).is_empty(), meets, "{claim} {value}");
        }
        let rules = [rule("groups", "staff", two), rule("groups", "admins", one), rule("department", "dgi", two)];
        assert_eq!(groups(&rules, &claims()), [one, two]);
    }

    #[test]
    fn usernames_come_from_claims() {
        let name = |prefix, claim| username(prefix, claim, &claims());
        assert_eq!(name("dgi/", "preferred_username").as_deref(), Some("dgi/ama"));
        for claim in ["absent", "groups", "nul", "empty"] {
            assert_eq!(name("", claim), None, "{claim}");
        }
        assert_eq!(name(&"x".repeat(126), "preferred_username"), None);
    }
}
