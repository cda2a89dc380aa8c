//! What is one tenant's is not there for another: every method is called by a tenant with everything that another one has, and
//! answers as it does in a world where that other one never was.

use std::collections::HashSet;

use laurel::client::Clients;
use prost_reflect::{DynamicMessage, FieldDescriptor, ReflectMessage, Value};
use proto::attribution::AdvanceTestClockRequest;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tonic::Status;

use crate::audit::Things;
use crate::laws::set;
use crate::seed;
use crate::values::{Values, one_of};
use crate::world::{Method, TENANT, World, methods, told};

/// Who calls, and has nothing at first; what it names is [`TENANT`]'s.
const OTHER: &str = "test-other";
/// Who calls, and has things of the same names.
const TWIN: &str = "test-twin";

/// Fields that say where in a stream or list one is: positions are the database's, whoever has written.
const POSITIONS: [&str; 5] = ["cursor", "next_page_token", "checkpoint", "epoch", "position"];

/// Methods that change something, in the order they are called in: what decides about the others goes first, since streams
/// promise no time.
const FIRST: [&str; 4] = ["ApplyJourney", "ApplyProgram", "SetTestClock", "AdvanceTestClock"];

/// One world with all tenants, and one without [`TENANT`].
struct Worlds {
    shared: World,
    alone: World,
    things: Things,
    /// Ids of what is [`TENANT`]'s.
    foreign: HashSet<String>,
}

impl Worlds {
    async fn make() -> anyhow::Result<Self> {
        let (shared, alone) = (World::start()?, World::start()?);
        let things = Things::make(&shared).await?;
        for world in [&shared, &alone] {
            seed::fill_as(world, TWIN).await?;
        }
        let foreign = things.all().cloned().collect();
        Ok(Self { shared, alone, things, foreign })
    }

    /// What the method may be asked about what is [`TENANT`]'s: the least it takes, the same made to change something, with
    /// contacts by their ids, with each field it can do without, and with the name of the tenant where one can be named.
    fn requests(&self, method: &Method) -> Vec<DynamicMessage> {
        let values = Values { ids: self.things.ids.clone() };
        let least = values.least(&method.0.input());
        let mut requests = vec![least.clone(), self.things.request(method)];
        if method.only_reads() {
            requests.extend(narrowed(&values, &least));
        }
        let (mut by_id, mut by_tenant) = (least.clone(), least);
        each(&mut by_id, &|message| {
            if message.descriptor().full_name() == "laurel.common.v1.ContactRef" {
                *message = DynamicMessage::new(message.descriptor());
                set(message, "contact_id", &self.things.ids.contacts[0]);
            }
        });
        each(&mut by_tenant, &|message| {
            if message.descriptor().get_field_by_name("tenant_id").is_some() {
                set(message, "tenant_id", TENANT);
            }
        });
        requests.extend([by_id, by_tenant]);
        requests.dedup();
        requests
    }

    /// Calls as `tenant` in both worlds, and holds the answers to each other.
    async fn answers_as_alone(&self, tenant: &str, method: &Method) {
        for request in self.requests(method) {
            let call = async |world: &World| {
                let token = world.all_scopes_of(tenant);
                world.call(method, &token, std::slice::from_ref(&request)).await
            };
            let (here, there) = (call(&self.shared).await, call(&self.alone).await);
            let path = method.path();
            if let Err(status) = &here {
                // only services may name a tenant
                let is_judged = told(status).1 != "INVALID_FIELD" || !tenants(&request).is_empty();
                assert!(is_judged, "{path} {request}: not well-formed: {status:?}");
            }
            if method.is_watch() {
                // how events are spread over messages is a matter of time, whose they are is not
                let own = |answer| tenants(answer).iter().all(|of| of == tenant);
                assert!(here.unwrap().iter().all(own), "{path} {request}");
                continue;
            }
            let (here, there) = (self.shown(here), self.shown(there));
            assert!(here == there, "{path} {request}: {here:?}, but alone {there:?}");
        }
    }

    /// What an answer says, without ids and times, which differ from world to world, but with the ids of what is not the
    /// caller's.
    fn shown(&self, answer: Result<Vec<DynamicMessage>, Status>) -> Result<Vec<Value>, String> {
        let masked = |answer| self.masked(Value::Message(answer));
        let answers = answer.map_err(|status| format!("{:?}: {}", told(&status), status.message()))?;
        Ok(answers.into_iter().map(masked).collect())
    }

    fn masked(&self, value: Value) -> Value {
        match value {
            Value::Message(message) if message.descriptor().full_name() == "google.protobuf.Timestamp" => {
                Value::Message(DynamicMessage::new(message.descriptor()))
            }
            Value::Message(mut message) => {
                for field in
                    message.descriptor().fields().filter(|field| message.has_field(field)).collect::<Vec<_>>()
                {
                    // whether a flag comes before a reward or after it is a matter of time: two streams promise no order
                    let is_turn = is_of_turns(&field);
                    if POSITIONS.contains(&field.name()) || is_turn || is_drawn(&message, &field) {
                        message.clear_field(&field);
                    } else {
                        let value = self.masked(message.get_field(&field).into_owned());
                        message.set_field(&field, value);
                    }
                }
                Value::Message(message)
            }
            Value::List(items) => {
                let mut items: Vec<Value> = items.into_iter().map(|item| self.masked(item)).collect();
                items.sort_by_cached_key(ToString::to_string);
                Value::List(items)
            }
            Value::String(text) if is_id(&text) && !self.foreign.contains(&text) => {
                Value::String("id".to_owned())
            }
            // a piece of a CSV file
            Value::Bytes(text) => {
                let text = String::from_utf8_lossy(&text);
                let is_time = |cell: &str| OffsetDateTime::parse(cell, &Rfc3339).is_ok();
                let cells =
                    text.split_inclusive([',', '\n']).map(|cell| match cell.trim_end_matches([',', '\n']) {
                        id if is_id(id) && !self.foreign.contains(id) => "id",
                        time if is_time(time) => "time",
                        _ => cell,
                    });
                Value::Bytes(cells.collect::<Vec<_>>().join("|").into())
            }
            other => other,
        }
    }

    /// What [`TENANT`] reads of itself.
    async fn snapshot(&self) -> Vec<(String, String)> {
        let (values, token) = (Values { ids: self.things.ids.clone() }, self.shared.all_scopes());
        let mut read = Vec::new();
        for method in methods().into_iter().filter(|method| method.only_reads() && !method.is_watch()) {
            let request = values.least(&method.0.input());
            let answer = self.shared.call(&method, &token, &[request]).await;
            let answer = answer.unwrap_or_else(|status| panic!("{}: {status:?}", method.path())).remove(0);
            read.push((method.path(), answer.to_string()));
        }
        read
    }
}

/// Whether the field holds a coupon code that was drawn at random, or the audit of drawing some.
fn is_drawn(message: &DynamicMessage, field: &FieldDescriptor) -> bool {
    let drawn = 10;
    if field.full_name() == "laurel.common.v1.AuditEntry.resources" {
        let method = message.get_field_by_name("method").unwrap();
        return method.as_str().is_some_and(|method| method.ends_with("/IssueCouponCodes"));
    }
    field.full_name() == "laurel.attribution.v1.Code.code"
        && message.get_field(field).as_str().is_some_and(|code| code.len() == drawn)
}

fn is_id(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

/// The message with each field that it does without, and where fields exclude each other, with that one only.
fn narrowed(values: &Values, least: &DynamicMessage) -> Vec<DynamicMessage> {
    let descriptor = least.descriptor();
    let either = one_of(&descriptor);
    let others: Vec<_> =
        descriptor.fields().filter(|field| !field.is_list() && !least.has_field(field)).collect();
    if descriptor.name() == "GetRunRequest" {
        // the id, or else all that a run is known by
        let mut known_by = DynamicMessage::new(descriptor);
        for field in &others {
            known_by.set_field(field, values.one(field));
        }
        return vec![known_by];
    }
    let with = |field: &FieldDescriptor| {
        let mut message = least.clone();
        if either.iter().any(|name| name == field.name()) {
            for name in &either {
                message.clear_field_by_name(name);
            }
        }
        message.set_field(field, values.one(field));
        message
    };
    others.iter().map(with).collect()
}

/// Changes a message and all that are in it.
fn each(message: &mut DynamicMessage, change: &impl Fn(&mut DynamicMessage)) {
    change(message);
    for field in message.descriptor().fields() {
        if message.has_field(&field) {
            match message.get_field_mut(&field) {
                Value::Message(inner) => each(inner, change),
                Value::List(items) => {
                    items.iter_mut().filter_map(Value::as_message_mut).for_each(|item| each(item, change));
                }
                _ => (),
            }
        }
    }
}

/// All tenants that the message names.
fn tenants(message: &DynamicMessage) -> Vec<String> {
    let mut all = Vec::new();
    for (field, value) in message.fields() {
        match value {
            Value::String(tenant) if field.name() == "tenant_id" => all.push(tenant.clone()),
            Value::Message(inner) => all.extend(tenants(inner)),
            Value::List(items) => all.extend(items.iter().filter_map(Value::as_message).flat_map(tenants)),
            _ => (),
        }
    }
    all
}

/// Waits until all that the caller has caused is carried through.
async fn settled(world: &World) -> anyhow::Result<()> {
    let clients = Clients::new(
        world.channel_as(Some(&world.all_scopes_of(OTHER)))?,
        &OTHER.parse().map_err(|e| anyhow::anyhow!("{e}"))?,
    );
    let request = AdvanceTestClockRequest { seconds: 60, request_id: "settled".to_owned() };
    clients.test_clock.clone().advance_test_clock(request).await?;
    seed::settled(world, OTHER).await
}

#[tokio::test]
async fn what_a_tenant_has_is_neither_seen_nor_touched_by_another_that_names_it() -> anyhow::Result<()> {
    let worlds = Worlds::make().await?;
    let before = worlds.snapshot().await;
    let (reads, mut writes): (Vec<_>, Vec<_>) = methods().into_iter().partition(Method::only_reads);
    writes
        .sort_by_key(|method| FIRST.iter().position(|name| *name == method.0.name()).unwrap_or(FIRST.len()));
    for tenant in [TWIN, OTHER] {
        for method in reads.iter().chain(&writes) {
            worlds.answers_as_alone(tenant, method).await;
        }
    }
    // now that this caller has things, too
    for world in [&worlds.shared, &worlds.alone] {
        settled(world).await?;
    }
    for method in &reads {
        worlds.answers_as_alone(OTHER, method).await;
    }
    for (after, before) in worlds.snapshot().await.iter().zip(&before) {
        assert_eq!(after, before);
    }
    Ok(())
}

/// What tells in which turn something happened to a reward, flags included.
fn is_of_turns(field: &FieldDescriptor) -> bool {
    field.full_name() == "laurel.rewards.v1.Posting.number"
        || field.kind().as_message().is_some_and(|of| of.full_name() == "laurel.rewards.v1.RewardTurn")
}
