//! What a tenant does in scenarios: a network, an image, machines of the tiny guest.

use crate::rest::{Rest, text};
use crate::{Guest, Lab, images};
use anyhow::Result;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// From POST to a status that only depends on Iroko and its daemons, with some of them killed on the way.
pub const SETTLE: Duration = Duration::from_secs(120);

/// A member of the first project, with what machines need.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// The API.
    pub rest: Rest,
    /// Path of the project.
    pub at: String,
    /// Image of the tiny guest.
    pub image: String,
    /// A flavor it fits into.
    pub flavor: String,
}

impl Tenant {
    /// Uploads the tiny guest and makes a flavor for it.
    pub async fn new(lab: &Lab) -> Result<Self> {
        Self::with(lab, &images::tiny().await?, 128).await
    }

    /// Uploads a guest and makes a flavor for it.
    pub async fn with(lab: &Lab, disk: &Path, memory_mib: u32) -> Result<Self> {
        let rest = lab.rest.clone();
        let at = format!("/v1/projects/{}", rest.project().await?);
        let image = rest.post(&format!("{at}/images"), &json!({"name": "tiny", "disk_format": "qcow2"})).await?;
        let image = text(&image, "/id")?.to_owned();
        rest.upload(&format!("{at}/images/{image}/file"), disk).await?;
        let flavor = json!({"name": format!("tiny-{image}"), "vcpus": 1, "memory_mib": memory_mib, "disk_gib": 1});
        let flavor = text(&rest.post("/v1/system/flavors", &flavor).await?, "/id")?.to_owned();
        Ok(Self { rest, at, image, flavor })
    }

    /// A network with one subnet; its id.
    pub async fn network(&self, name: &str, cidr: &str) -> Result<String> {
        let network = self.rest.post(&format!("{}/networks", self.at), &json!({"name": name})).await?;
        let network = text(&network, "/id")?.to_owned();
        let subnet = json!({"network_id": network, "name": name, "cidr": cidr});
        self.rest.post(&format!("{}/subnets", self.at), &subnet).await?;
        Ok(network)
    }

    /// Deletes a network and its subnets.
    pub async fn delete_network(&self, network: &str) -> Result<()> {
        let subnets = self.rest.get(&format!("{}/subnets?network_id={network}", self.at)).await?;
        for subnet in subnets["items"].as_array().into_iter().flatten() {
            self.rest.delete(&format!("{}/subnets/{}", self.at, text(subnet, "/id")?)).await?;
        }
        self.rest.delete(&format!("{}/networks/{network}", self.at)).await
    }

    /// Asks for a machine; its id.
    pub async fn create(&self, name: &str, network: &str) -> Result<String> {
        self.create_with(name, network, json!({})).await
    }

    /// Makes a machine with further fields of the request; its id.
    pub async fn create_with(&self, name: &str, network: &str, more: Value) -> Result<String> {
        let mut body = json!({"name": name, "flavor_id": self.flavor, "image_id": self.image,
                              "interfaces": [{"network_id": network}]});
        for (field, value) in more.as_object().into_iter().flatten() {
            body[field] = value.clone();
        }
        Ok(text(&self.rest.post(&format!("{}/instances", self.at), &body).await?, "/id")?.to_owned())
    }

    /// Path of a machine.
    pub fn path(&self, id: &str) -> String {
        format!("{}/instances/{id}", self.at)
    }

    /// Asks for `start`, `stop` or `reboot`.
    pub async fn act(&self, id: &str, action: &str) -> Result<()> {
        self.rest.post(&format!("{}/{action}", self.path(id)), &json!({})).await.map(drop)
    }

    /// Asks for a machine's removal.
    pub async fn delete(&self, id: &str) -> Result<()> {
        self.rest.delete(&self.path(id)).await
    }

    /// Waits until a machine has a status; the machine.
    pub async fn until(&self, id: &str, status: &str) -> Result<Value> {
        let path = format!("{}?deleted=true", self.path(id));
        self.rest.until(&path, &format!("the instance is {status}"), SETTLE, |seen| seen["status"] == status).await
    }

    /// The guest of a machine that runs.
    pub async fn guest(&self, lab: &Lab, id: &str) -> Result<Guest> {
        let instance = self.until(id, "running").await?;
        Guest::of(&instance, lab.host_by_id(text(&instance, "/host_id")?).await?)
    }
}
