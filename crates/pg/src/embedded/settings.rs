//! What the server is told at its start. On the command line, so that nothing depends on what a file still says.

use std::ffi::OsString;
use std::path::Path;

use super::Cluster;

/// What a cluster is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tuning {
    /// Data that must survive a crash, on a machine the size of a laptop.
    Durable,
    /// Data for one test run: nothing is synced, a crash of the machine may lose all of it.
    Throwaway,
}

/// The same for both. Locale and encoding are those of `initdb`.
const COMMON: &[(&str, &str)] = &[
    ("listen_addresses", ""),
    ("unix_socket_permissions", "0700"),
    ("logging_collector", "off"),
    ("log_destination", "stderr"),
    ("log_checkpoints", "off"),
    ("timezone", "UTC"),
    ("log_timezone", "UTC"),
    ("shared_buffers", "128MB"),
    ("jit", "off"),
];

const DURABLE: &[(&str, &str)] = &[
    ("fsync", "on"),
    ("synchronous_commit", "on"),
    ("full_page_writes", "on"),
    ("autovacuum", "on"),
    // a fresh database grows from nothing within seconds; a plan made while its tables were empty lasts until somebody
    // analyzes them, which is after a minute by default
    ("autovacuum_naptime", "1s"),
    // all look-ups go by index whatever the statistics say; analyzing costs what it samples
    ("default_statistics_target", "10"),
    ("max_connections", "100"),
    ("wal_compression", "on"),
    ("max_wal_size", "4GB"),
    ("checkpoint_completion_target", "0.9"),
];

const THROWAWAY: &[(&str, &str)] = &[
    ("fsync", "off"),
    ("synchronous_commit", "off"),
    ("full_page_writes", "off"),
    ("autovacuum", "off"),
    ("max_connections", "300"),
    ("wal_level", "minimal"),
    ("max_wal_senders", "0"),
];

/// After a crash: one sync of the file system, where one of each file can take seconds.
const DURABLE_SINCE_14: &[(&str, &str)] = &[("recovery_init_sync_method", "syncfs")];

/// The server's arguments.
pub(super) fn arguments(data: &Path, socket_dir: &Path, tuning: Tuning, major: u32) -> Vec<OsString> {
    let own = match tuning {
        Tuning::Durable if major >= 14 => [DURABLE, DURABLE_SINCE_14].concat(),
        Tuning::Durable => DURABLE.to_vec(),
        Tuning::Throwaway => THROWAWAY.to_vec(),
    };
    let mut arguments = vec!["-D".into(), data.into(), "-p".into(), Cluster::PORT.to_string().into()];
    // The server reads a list here: without quotes a comma would end the path.
    let mut sockets = OsString::from("unix_socket_directories=\"");
    sockets.push(socket_dir);
    sockets.push("\"");
    arguments.extend(["-c".into(), sockets]);
    for (name, value) in COMMON.iter().chain(&own) {
        arguments.extend(["-c".into(), format!("{name}={value}").into()]);
    }
    arguments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn has(tuning: Tuning, major: u32, setting: &str) -> bool {
        let arguments = arguments(Path::new("/d"), Path::new("/s"), tuning, major);
        arguments.iter().any(|argument| argument == setting)
    }

    #[test]
    fn the_tunings_differ_in_what_a_crash_loses() {
        assert!(has(Tuning::Durable, 15, "fsync=on"));
        assert!(has(Tuning::Throwaway, 15, "fsync=off"));
    }

    #[test]
    fn there_is_a_socket_and_no_tcp() {
        for tuning in [Tuning::Durable, Tuning::Throwaway] {
            assert!(has(tuning, 15, "listen_addresses="));
            assert!(has(tuning, 15, "unix_socket_directories=\"/s\""));
        }
    }

    #[test]
    fn an_old_server_is_not_told_what_it_does_not_know() {
        assert!(has(Tuning::Durable, 14, "recovery_init_sync_method=syncfs"));
        assert!(!has(Tuning::Durable, 13, "recovery_init_sync_method=syncfs"));
    }
}
