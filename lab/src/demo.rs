//! The main job in front of the user: two Debian machines on two hosts and one tenant network, logged
//! into by SSH and reaching each other.

use crate::lab::Lab;
use crate::rest::{Rest, text};
use crate::secret::write_secret;
use crate::{Host, images};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::process::Command;

/// From POST to `running`: image to two hosts, disk, start.
const RUNNING: Duration = Duration::from_secs(180);
/// A whole Debian under software emulation, until cloud-init has let the key in.
const SSH: Duration = Duration::from_secs(420);
const IMAGE: &str = "debian-12";
const LABEL: &str = "iroko.example/demo";
const SSH_OPTIONS: &str = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -o ConnectTimeout=5 -o BatchMode=yes";

/// Prints steps and how long each took.
struct Story {
    steps: Vec<(String, Duration)>,
    began: Instant,
}

impl Story {
    fn new() -> Self {
        Self { steps: Vec::new(), began: Instant::now() }
    }

    async fn step<T>(&mut self, what: impl Into<String>, work: impl Future<Output = Result<T>>) -> Result<T> {
        let (what, began) = (what.into(), Instant::now());
        println!("==> {what}");
        let done = work.await.with_context(|| what.clone())?;
        println!("    done in {:.1} s", began.elapsed().as_secs_f64());
        self.steps.push((what, began.elapsed()));
        Ok(done)
    }

    fn print(&self) {
        println!("\nHow long each step took:");
        for (what, took) in &self.steps {
            println!("  {:>7.1} s  {what}", took.as_secs_f64());
        }
        println!("  {:>7.1} s  in all", self.began.elapsed().as_secs_f64());
    }
}

/// Runs the demonstration on a lab with at least two hosts.
pub async fn run(lab: &Lab) -> Result<()> {
    ensure!(lab.hosts.len() >= 2, "the demonstration needs two hosts; this lab has {}", lab.hosts.len());
    let (mut story, rest) = (Story::new(), &lab.rest);
    let project = rest.project().await?;
    let at = format!("/v1/projects/{project}");
    story.step("clear away what an earlier run left", clear(rest, &at)).await?;
    let file = story.step("build a Debian 12 image with cloud-init (once)", images::debian()).await?;
    let image = story.step(format!("upload {}", file.display()), image(rest, &at, &file)).await?;
    let key_file = lab.dir.join("demo/id_ed25519");
    let (key, network, flavor) =
        story.step("make an SSH key, a network with a subnet, a flavor", prepare(rest, &at, &key_file)).await?;
    let ask = |name: &str| {
        json!({"name": name, "flavor_id": flavor, "image_id": image, "interfaces": [{"network_id": network}],
               "ssh_key_ids": [key], "labels": {LABEL: "1"}})
    };
    let machines = async {
        let mut ids = Vec::new();
        for name in ["demo-1", "demo-2"] {
            ids.push(text(&rest.post(&format!("{at}/instances"), &ask(name)).await?, "/id")?.to_owned());
        }
        let mut machines = Vec::new();
        for id in ids {
            machines.push(running(rest, &format!("{at}/instances/{id}")).await?);
        }
        Ok(machines)
    };
    let machines = story.step("ask for two machines and wait until they run", machines).await?;
    let (one, two) = (Machine::of(lab, &machines[0]).await?, Machine::of(lab, &machines[1]).await?);
    println!("    {} is {} on {}", one.name, one.ip, one.host.name());
    println!("    {} is {} on {}", two.name, two.ip, two.host.name());
    ensure!(one.host.name() != two.host.name(), "both machines were placed on {}", one.host.name());
    story.step("log in to demo-1 by SSH", until_ssh(rest, &project, &one, &network, &key_file)).await?;
    story.step("log in to demo-2 by SSH", until_ssh(rest, &project, &two, &network, &key_file)).await?;
    let hop = across(&one, &two, &network, &key_file);
    let said = story.step("from demo-1, ping demo-2 and log in to it over the tenant network", hop).await?;
    println!("{}", indented(&said));
    story.print();
    epilogue(lab, &one, &network, &key_file).await
}

struct Machine {
    name: String,
    ip: String,
    host: Host,
}

impl Machine {
    async fn of(lab: &Lab, instance: &Value) -> Result<Self> {
        let host = lab.host_by_id(text(instance, "/host_id")?).await?.clone();
        let own = |pointer| text(instance, pointer).map(str::to_owned);
        Ok(Self { name: own("/name")?, ip: own("/interfaces/0/ip_addresses/0")?, host })
    }
}

/// Deletes the machines, networks and keys of an earlier run. The image stays.
async fn clear(rest: &Rest, at: &str) -> Result<()> {
    let query = format!("?label={LABEL}=1");
    for noun in ["instances", "subnets", "networks", "ssh-keys"] {
        let path = format!("{at}/{noun}{query}");
        for item in rest.get(&path).await?["items"].as_array().into_iter().flatten() {
            rest.delete(&format!("{at}/{noun}/{}", text(item, "/id")?)).await?;
        }
        let none = |seen: &Value| seen["items"].as_array().is_some_and(Vec::is_empty);
        rest.until(&path, &format!("the old {noun} are gone"), RUNNING, none).await?;
    }
    Ok(())
}

async fn image(rest: &Rest, at: &str, file: &Path) -> Result<String> {
    let known = rest.get(&format!("{at}/images?name={IMAGE}")).await?;
    let size = fs::metadata(file)?.len();
    let same = |image: &&Value| image["status"] == "active" && image["size_bytes"] == size;
    if let Some(image) = known["items"].as_array().into_iter().flatten().find(same) {
        println!("    it is there from an earlier run");
        return Ok(text(image, "/id")?.to_owned());
    }
    let image = rest.post(&format!("{at}/images"), &json!({"name": IMAGE, "disk_format": "qcow2"})).await?;
    let id = text(&image, "/id")?.to_owned();
    let done = rest.upload(&format!("{at}/images/{id}/file"), file).await?;
    println!("    {} MiB, SHA-256 {}", size >> 20, text(&done, "/sha256")?);
    Ok(id)
}

async fn prepare(rest: &Rest, at: &str, key_file: &Path) -> Result<(String, String, String)> {
    if !key_file.exists() {
        fs::create_dir_all(key_file.parent().context("a key file is in a directory")?)?;
        let mut keygen = Command::new("ssh-keygen");
        keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", "demo", "-f"]).arg(key_file);
        ensure!(keygen.status().await.context("running ssh-keygen")?.success(), "ssh-keygen failed");
    }
    let public = fs::read_to_string(key_file.with_extension("pub"))?;
    let labels = json!({LABEL: "1"});
    let make = async |noun: &str, body: Value| -> Result<String> {
        Ok(text(&rest.post(&format!("{at}/{noun}"), &body).await?, "/id")?.to_owned())
    };
    let key = make("ssh-keys", json!({"name": "demo", "public_key": public.trim(), "labels": labels})).await?;
    let network = make("networks", json!({"name": "demo", "labels": labels})).await?;
    make("subnets", json!({"network_id": network, "name": "demo", "cidr": "10.20.0.0/24", "labels": labels})).await?;
    let known = rest.get("/v1/flavors?name=demo.small").await?;
    let flavor = match known["items"].get(0) {
        Some(flavor) => text(flavor, "/id")?.to_owned(),
        None => {
            let body = json!({"name": "demo.small", "vcpus": 1, "memory_mib": 768, "disk_gib": 4});
            text(&rest.post("/v1/system/flavors", &body).await?, "/id")?.to_owned()
        }
    };
    Ok((key, network, flavor))
}

/// Waits until a machine runs, printing every status on its way.
async fn running(rest: &Rest, path: &str) -> Result<Value> {
    let seen = std::cell::RefCell::new(String::new());
    rest.until(path, "the machine runs", RUNNING, |instance| {
        let status = format!(
            "{} is {}{}",
            instance["name"].as_str().unwrap_or("?"),
            instance["status"].as_str().unwrap_or("?"),
            instance["status_reason"].as_str().map(|reason| format!(" ({reason})")).unwrap_or_default()
        );
        if *seen.borrow() != status {
            println!("    {status}");
            *seen.borrow_mut() = status;
        }
        instance["status"] == "running"
    })
    .await
}

/// Waits until a machine lets the key in; shows the end of its console meanwhile.
async fn until_ssh(rest: &Rest, project: &str, machine: &Machine, network: &str, key_file: &Path) -> Result<()> {
    let (end, mut shown) = (Instant::now() + SSH, String::new());
    let line = format!("ssh -i {} {SSH_OPTIONS} debian@{} hostname", key_file.display(), machine.ip);
    loop {
        let tried = machine.host.run_beside(network, &["sh", "-c", &line], "", Duration::from_secs(30)).await;
        match tried {
            Ok(name) => {
                ensure!(name == machine.name, "the machine calls itself {name}, not {}", machine.name);
                println!("    it says: {name}");
                return Ok(());
            }
            Err(error) if Instant::now() > end => return Err(error.context("no SSH in time")),
            Err(_) => {}
        }
        let path = format!("/v1/projects/{project}/instances?name={}&label={LABEL}=1", machine.name);
        let id = rest.get(&path).await?["items"][0]["id"].as_str().map(str::to_owned).context("the machine is gone")?;
        let console = rest.get(&format!("/v1/projects/{project}/instances/{id}/console-log")).await?;
        let last = console["output"].as_str().unwrap_or("").lines().map(str::trim).rfind(|line| !line.is_empty());
        if let Some(last) = last.filter(|last| *last != shown) {
            println!("    console: {}", last.chars().filter(|c| !c.is_control()).take(100).collect::<String>());
            shown = last.to_owned();
        }
    }
}

/// With the key of an agent that is forwarded to the first machine, so that it never lies there.
async fn across(one: &Machine, two: &Machine, network: &str, key_file: &Path) -> Result<String> {
    let remote = format!(
        "ping -c 3 -i 0.3 {} && ssh {SSH_OPTIONS} debian@{} 'echo I am \\$(hostname), up since \\$(uptime -s)'",
        two.ip, two.ip
    );
    let line =
        format!("ssh-add -q {key} && ssh -A {SSH_OPTIONS} debian@{} \"{remote}\"", one.ip, key = key_file.display());
    one.host.run_beside(network, &["ssh-agent", "sh", "-c", &line], "", Duration::from_secs(60)).await
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    | {line}")).collect::<Vec<_>>().join("\n")
}

/// Writes `env` and says how to go on.
async fn epilogue(lab: &Lab, one: &Machine, network: &str, key_file: &Path) -> Result<()> {
    let env = write_env(lab).await?;
    let (base, namespace) = (lab.rest.base(), one.host.service_namespace(network).await?);
    println!(
        "\nThe cloud goes on running. How to go on:\n\
         \x20 API          {base}/v1   (documents: {base}/docs)\n\
         \x20 operator     admin, password {}\n\
         \x20 environment  . {}   (a token holds 15 minutes; `make token` writes a new one)\n\
         \x20 machines     curl -s -H \"Authorization: Bearer $IROKO_TOKEN\" $IROKO_ENDPOINT/v1/projects/$IROKO_PROJECT/instances | jq\n\
         \x20 hosts        curl -s -H \"Authorization: Bearer $IROKO_TOKEN\" $IROKO_ENDPOINT/v1/system/hosts | jq\n\
         \x20 demo-1       {} exec {} -- ip netns exec {namespace} ssh -i {} {SSH_OPTIONS} debian@{}\n\
         \x20 end it all   make down",
        lab.password,
        env.display(),
        std::env::current_exe()?.display(),
        one.host.name(),
        key_file.display(),
        one.ip
    );
    Ok(())
}

/// Writes `env` with endpoint, a new token and the project; returns its path.
pub async fn write_env(lab: &Lab) -> Result<PathBuf> {
    let (token, project) = (lab.rest.log_in().await?, lab.rest.project().await?);
    let path = lab.dir.join("env");
    let text = format!(
        "export IROKO_ENDPOINT={}\nexport IROKO_PROJECT={project}\nexport IROKO_USERNAME=admin\nexport IROKO_PASSWORD={}\nexport IROKO_TOKEN={token}\n",
        lab.rest.base(),
        lab.password
    );
    write_secret(&path, &text)?;
    Ok(path)
}
