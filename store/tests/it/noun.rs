//! The SQL that is built for nouns fits the schema: each statement of each noun is prepared.

use iroko_model::{OrganizationId, ProjectId};
use iroko_store::address_set::AddressSet;
use iroko_store::cloud_instance::CloudInstance;
use iroko_store::custom_role::CustomRole;
use iroko_store::flavor::Flavor;
use iroko_store::group::Group;
use iroko_store::host::Host;
use iroko_store::image::Image;
use iroko_store::instance::{Departed, Instance};
use iroko_store::network::Network;
use iroko_store::noun::{Noun, Within, statements};
use iroko_store::organization::Organization;
use iroko_store::project::Project;
use iroko_store::qos_policy::QosPolicy;
use iroko_store::security_group::SecurityGroup;
use iroko_store::service_account::ServiceAccount;
use iroko_store::ssh_key::SshKey;
use iroko_store::stuck::Stuck;
use iroko_store::subnet::Subnet;
use iroko_store::user::User;
use iroko_test_database::database;
use sqlx::{AssertSqlSafe, Executor, PgPool, SqlSafeStr};

async fn prepared<N: Noun>(pool: &PgPool, within: Within) {
    for text in statements::<N>(&within).unwrap() {
        let prepared = pool.prepare(AssertSqlSafe(text.clone()).into_sql_str()).await;
        assert!(prepared.is_ok(), "{}: {text}: {}", N::TABLE, prepared.unwrap_err());
    }
}

#[tokio::test]
async fn every_statement_of_every_noun_fits_the_schema() {
    let (_database, connect) = database().await;
    let pool = PgPool::connect_with(connect).await.unwrap();
    let project = || Within::project(ProjectId::new());
    let organization = || Within::organization(OrganizationId::new());
    prepared::<Group>(&pool, organization()).await;
    prepared::<CustomRole>(&pool, organization()).await;
    prepared::<ServiceAccount>(&pool, organization()).await;
    prepared::<Organization>(&pool, Within::system()).await;
    prepared::<Project>(&pool, organization()).await;
    prepared::<User>(&pool, organization()).await;
    prepared::<AddressSet>(&pool, project()).await;
    prepared::<Image>(&pool, project()).await;
    prepared::<Instance>(&pool, project()).await;
    prepared::<Departed>(&pool, project()).await;
    prepared::<Flavor>(&pool, Within::system()).await;
    prepared::<Host>(&pool, Within::system()).await;
    prepared::<CloudInstance>(&pool, Within::system()).await;
    prepared::<Stuck>(&pool, Within::system()).await;
    prepared::<Network>(&pool, project()).await;
    prepared::<QosPolicy>(&pool, project()).await;
    prepared::<SecurityGroup>(&pool, project()).await;
    prepared::<SshKey>(&pool, project()).await;
    prepared::<Subnet>(&pool, project()).await;
}
