//! The unit for systemd: its restart ends no session.

use std::path::Path;

fn unit() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/vmux.service")
}

/// Without these systemd ends all that the daemon has started with it, or one that runs out of
/// memory the daemon, or cannot start it where one runs that was started when it was needed; and with
/// the last one there is no sudo in terminals that it opens.
#[test]
fn the_unit_ends_the_daemon_alone() {
    let text = std::fs::read_to_string(unit()).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let service = lines.skip_while(|line| *line != "[Service]").skip(1);
    let service: Vec<&str> = service.take_while(|line| !line.starts_with('[')).collect();
    for line in [
        "KillMode=process",
        "OOMPolicy=continue",
        "Restart=on-failure",
    ] {
        assert!(service.contains(&line), "{line} in {service:?}");
    }
    assert!(!service.iter().any(|line| line.contains("NoNewPrivileges")));
    assert!(service.iter().any(|line| line.ends_with("vmux daemon run")));
    let way =
        |line: &&str| line.starts_with("ExecStartPre=-") && line.ends_with("vmux daemon stop");
    assert!(service.iter().any(way), "{service:?}");
}
