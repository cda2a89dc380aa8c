//! The `laurel` command: all four services in one process on an embedded Postgres, and a client of their contracts.
//!
//! | module | what |
//! |---|---|
//! | [`cli`] | arguments |
//! | [`storage`] | the embedded cluster, or the server that `LAUREL_DATABASE_URL` names |
//! | [`platform`] | the four services wired together in one process |
//! | [`client`] | the generated clients over one channel |
//! | [`up`] | `laurel up`: serve until told to stop |
//! | [`demo`] | `laurel demo`: the CDNOW story from purchases to rewards |
//! | [`import`] | a CSV of any size through `ImportOrders` |
//! | [`target`] | running services: where they are, and credentials |
//! | [`tokens`] | `laurel keys`, `laurel token`: a key set and tokens for development |
//! | `arguments` | how contacts, times, amounts and the like are written |
//! | [`nouns`] | `laurel contacts`, `orders` and so on: a command for each RPC |
//! | [`tools`] | `laurel apply`, `funnel`, `explain`, `audit`, `verify` against running services |
//! | [`refusal`] | why a command failed, in a line and an exit code |
//! | `show` | any message as a table or as JSON |

mod arguments;
pub mod cli;
pub mod client;
pub mod demo;
pub mod import;
pub mod nouns;
pub mod platform;
pub mod refusal;
mod show;
pub mod storage;
pub mod target;
pub mod tokens;
pub mod tools;
pub mod up;
