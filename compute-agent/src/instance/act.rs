//! Takes one step: the only place where an instance's files and domain are changed.

use super::failure::StepError;
use super::operation;
use super::record::{Failure, Life, Operation, Record};
use super::step::Step;
use crate::domain_xml;
use crate::host::Host;
use crate::image;
use crate::storage::Held;
use iroko_agent_wire::InstanceSpec;
use iroko_model::InstanceId;
use iroko_model::reason::{Code, Reason};
use std::time::Duration;

/// What a step works on.
pub(crate) struct StepInput<'a> {
    pub id: InstanceId,
    pub spec: Option<&'a InstanceSpec>,
    pub held: &'a Held,
    pub defined: bool,
    pub reason: Option<&'a Reason>,
}

pub(crate) async fn take(host: &Host, step: Step, input: &StepInput<'_>) -> Result<(), StepError> {
    match step {
        Step::Begin | Step::Note | Step::Born | Step::GuestOff | Step::Operation(_) | Step::MarkFailed => {
            note(host, step, input).await
        }
        Step::MakeDisk | Step::MakeSeed | Step::Define | Step::Start => build(host, step, input).await,
        Step::Resume => Ok(host.hypervisor.resume(input.id).await?),
        Step::Shutdown => Ok(host.hypervisor.shutdown(input.id).await?),
        Step::Destroy => Ok(host.hypervisor.destroy(input.id).await?),
        Step::Undefine => Ok(host.hypervisor.undefine(input.id).await?),
        Step::RemoveFiles => Ok(host.storage.remove_files(input.id).await?),
        Step::RemoveAll => Ok(host.storage.remove_all(input.id).await?),
        Step::GiveUp | Step::Rest(_) => Ok(()),
    }
}

async fn note(host: &Host, step: Step, input: &StepInput<'_>) -> Result<(), StepError> {
    let Some(spec) = input.spec else { return Ok(()) };
    Ok(host.storage.save(&noted(step, spec, input)).await?)
}

/// The record after a step that only writes it. Pure.
fn noted(step: Step, spec: &InstanceSpec, input: &StepInput<'_>) -> Record {
    let foreign = input.held.record.is_none() && (input.held.disk || input.defined);
    let has_run = spec.has_run && input.held.record.is_none();
    let life = if foreign || has_run { Life::Born } else { Life::Building };
    let before = Operation::done(spec.operation.map_or(0, |asked| asked.number));
    let first = || Record::new(spec.id, spec.generation, image::file_name(&spec.image), life, before);
    let Some(mut record) = input.held.record.clone().filter(|_| step != Step::Begin) else { return first() };
    match step {
        Step::Note => record.generation = spec.generation,
        Step::Born => (record.life, record.ran, record.guest_off) = (Life::Born, Some(spec.generation), None),
        Step::GuestOff => record.guest_off = Some(spec.generation),
        Step::Operation(progress) => {
            record.operation = operation::noted(&record.operation, spec.operation, progress);
        }
        Step::MarkFailed => {
            let reason = input
                .reason
                .cloned()
                .unwrap_or_else(|| Reason::new(Code::BuildFailed, "it could not be built on this host"));
            record.failed = Some(Failure { generation: spec.generation, reason });
        }
        _ => {}
    }
    record
}

async fn build(host: &Host, step: Step, input: &StepInput<'_>) -> Result<(), StepError> {
    let Some(spec) = input.spec else { return Ok(()) };
    match step {
        Step::MakeDisk => make_disk(host, spec).await,
        Step::MakeSeed => Ok(host.storage.make_seed(spec).await?),
        Step::Define => define(host, spec).await,
        _ => {
            let _permit = host.starts.acquire().await;
            define(host, spec).await?;
            Ok(host.hypervisor.start(input.id).await?)
        }
    }
}

async fn make_disk(host: &Host, spec: &InstanceSpec) -> Result<(), StepError> {
    let bound = Duration::from_secs(host.config.image_timeout_s + host.config.disk_timeout_s);
    match tokio::time::timeout(bound, host.storage.make_disk(spec)).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(StepError::Late),
    }
}

async fn define(host: &Host, spec: &InstanceSpec) -> Result<(), StepError> {
    let xml = domain_xml::render(spec, &host.storage.files(spec), &host.domains);
    Ok(host.hypervisor.define(spec.id, &xml).await?)
}
