//! What a tenant needs before machines can be asked for, and how they are asked for.

use anyhow::Result;
use iroko_lab::Rest;
use iroko_lab::rest::text;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Bytes of the image; nobody boots it.
const IMAGE_BYTES: usize = 64 * 1024;

/// A member of the first project, with a flavor (1 vCPU, 128 MiB, 1 GiB), an image and no network yet.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// The API.
    pub rest: Rest,
    /// Path of the project.
    pub at: String,
    flavor: String,
    image: String,
}

impl Tenant {
    /// Uploads an image and makes a flavor.
    pub async fn new(rest: Rest) -> Result<Self> {
        rest.log_in().await?;
        let at = format!("/v1/projects/{}", rest.project().await?);
        let flavor = json!({"name": "sim", "vcpus": 1, "memory_mib": 128, "disk_gib": 1});
        let flavor = text(&rest.post("/v1/system/flavors", &flavor).await?, "/id")?.to_owned();
        let image = rest.post(&format!("{at}/images"), &json!({"name": "sim", "disk_format": "raw"})).await?;
        let image = text(&image, "/id")?.to_owned();
        let bytes = tempfile::NamedTempFile::new()?;
        std::fs::write(bytes.path(), vec![0x5a; IMAGE_BYTES])?;
        rest.upload(&format!("{at}/images/{image}/file"), bytes.path()).await?;
        Ok(Self { rest, at, flavor, image })
    }

    /// A network with one subnet; its id.
    pub async fn network(&self, name: &str, cidr: &str) -> Result<String> {
        let network = self.rest.post(&format!("{}/networks", self.at), &json!({"name": name})).await?;
        let network = text(&network, "/id")?.to_owned();
        let subnet = json!({"network_id": network, "name": name, "cidr": cidr});
        self.rest.post(&format!("{}/subnets", self.at), &subnet).await?;
        Ok(network)
    }

    /// The body that asks for a machine.
    pub fn body(&self, name: &str, network: &str) -> Value {
        json!({"name": name, "flavor_id": self.flavor, "image_id": self.image, "interfaces": [{"network_id": network}]})
    }

    /// Asks once for a machine: the answer, whatever it is.
    pub async fn ask(&self, name: &str, network: &str) -> Result<(StatusCode, Value)> {
        self.rest.call(Method::POST, &format!("{}/instances", self.at), Some(&self.body(name, network))).await
    }

    /// Path of a machine.
    pub fn path(&self, id: &str) -> String {
        format!("{}/instances/{id}", self.at)
    }

    /// Asks once for `start`, `stop`, `reboot` or `delete`: the answer, whatever it is.
    pub async fn act(&self, id: &str, action: &str) -> Result<(StatusCode, Value)> {
        if action == "delete" {
            return self.rest.call(Method::DELETE, &self.path(id), None).await;
        }
        self.rest.call(Method::POST, &format!("{}/{action}", self.path(id)), Some(&json!({}))).await
    }

    /// All machines that are not deleted.
    pub async fn instances(&self) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = self.rest.get(&format!("{}/instances?limit=1000{cursor}", self.at)).await?;
            all.extend(page["items"].as_array().into_iter().flatten().cloned());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(all),
            }
        }
    }
}
