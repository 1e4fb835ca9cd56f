//! schemathesis over the whole OpenAPI document: no answer is a failure of the service, none is outside
//! the document, and none shows anything of another tenant.

use crate::authorisation::Target;
use crate::authorisation::ground::{Everybody, Ids};
use crate::world::Api;
use iroko_test_database::database;
use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use std::path::Path;
use tokio::process::Command;

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,allow_header_conformance,reveals_no_other_tenant";
/// A stream never ends; what ends the caller's own log-in or stops their project ends the test. All of
/// them have tests of their own.
const LEFT_OUT: &str = "event_list|session_log_out|session_delete_all|project_suspend";
/// Repeats what CI has seen. `IROKO_FUZZ_SEED` chooses another.
const SEED: &str = "20261125";

struct Fuzz {
    api: Api,
    everybody: Everybody,
}

impl Fuzz {
    /// `None` where the program is not installed.
    async fn new(connect: &PgConnectOptions) -> Option<Self> {
        if !program().exists() {
            println!("skipped: schemathesis is not installed; run lab/install.sh test");
            return None;
        }
        let api = Api::start(connect).await;
        let everybody = Everybody::new(&api).await;
        Some(Self { api, everybody })
    }

    fn ids(&self, target: Target) -> &Ids {
        &self.everybody.grounds.iter().find(|(of, _)| *of == target).unwrap().1
    }

    /// As somebody of this name, or without a token, who must see nothing of what is on the ground `hidden`.
    async fn run(&self, name: Option<&str>, hidden: Option<Target>, examples: u32) {
        let (passed, text) = self.try_run(name, hidden, examples, &[]).await;
        assert!(passed, "as {name:?}: {text}");
        let tail: Vec<_> = text.lines().rev().take(12).collect();
        println!("as {name:?}: {}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
    }

    async fn try_run(
        &self,
        name: Option<&str>,
        hidden: Option<Target>,
        examples: u32,
        more: &[&str],
    ) -> (bool, String) {
        let (own, foreign) = (self.ids(Target::Own), self.ids(Target::OtherOrganization));
        let secrets = hidden.map(|hidden| self.secrets(hidden)).unwrap_or_default();
        let dir = tempfile::tempdir().unwrap();
        let known = json!({"own": own.map(), "foreign": foreign.map(), "secrets": secrets});
        std::fs::write(dir.path().join("known.json"), known.to_string()).unwrap();
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemathesis");
        let seed = std::env::var("IROKO_FUZZ_SEED").unwrap_or_else(|_| SEED.to_owned());
        let mut command = Command::new(program());
        command.current_dir(dir.path()).env("PYTHONPATH", &here).env("SCHEMATHESIS_HOOKS", "hooks");
        command.env("IROKO_FUZZ", "known.json").kill_on_drop(true);
        command.arg("--config-file").arg(here.join("schemathesis.toml"));
        command.args([
            "run",
            &format!("{}/openapi.json", self.api.url()),
            "--no-color",
            "--no-shrink",
            "--checks",
            CHECKS,
        ]);
        command.args([
            "--phases",
            "examples,coverage,fuzzing",
            "--max-examples",
            &examples.to_string(),
            "--seed",
            &seed,
        ]);
        command.args(["--exclude-operation-id-regex", LEFT_OUT, "--suppress-health-check", "all", "--warnings", "off"]);
        if let Some(name) = name {
            let who = self.everybody.people.iter().find(|who| who.name == name).unwrap();
            command.args(["-H", &format!("Authorization: Bearer {}", who.token)]);
        }
        let done = command.args(more).output().await.unwrap();
        let text = [done.stdout, done.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
        (done.status.success(), text)
    }

    /// Ids on a ground that only its owners know.
    fn secrets(&self, target: Target) -> Vec<&String> {
        let shared = ["flavor_id", "slug", "kid"];
        self.ids(target).map().iter().filter(|(name, _)| !shared.contains(*name)).map(|(_, id)| id).collect()
    }
}

fn program() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemathesis/.venv/bin/schemathesis")
}

#[tokio::test]
async fn an_owner_gets_what_the_document_says_and_nothing_of_others() {
    let (_database, connect) = database().await;
    let Some(fuzz) = Fuzz::new(&connect).await else { return };
    fuzz.run(Some("owner"), Some(Target::OtherOrganization), 6).await;
}

#[tokio::test]
async fn an_operator_gets_what_the_document_says() {
    let (_database, connect) = database().await;
    let Some(fuzz) = Fuzz::new(&connect).await else { return };
    fuzz.run(Some("operator"), None, 2).await;
}

#[tokio::test]
async fn nobody_gets_what_the_document_says_and_nothing_of_anybody() {
    let (_database, connect) = database().await;
    let Some(fuzz) = Fuzz::new(&connect).await else { return };
    fuzz.run(None, Some(Target::Own), 3).await;
}

/// The check that looks for other tenants sees one where there is one.
#[tokio::test]
async fn what_shows_is_noticed() {
    let (_database, connect) = database().await;
    let Some(fuzz) = Fuzz::new(&connect).await else { return };
    // It names its network, which the request does not.
    let shows = ["--include-operation-id", "subnet_get"];
    let (passed, text) = fuzz.try_run(Some("owner"), Some(Target::Own), 8, &shows).await;
    assert!(!passed && text.contains("which is another tenant's"), "{text}");
}
