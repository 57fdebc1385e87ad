//! The unit for systemd: its restart ends no session.

use std::path::Path;

use crate::kit::Home;

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

/// A unit of the user's own counts instead of a package's: it is written where it starts another
/// program only, and that is said.
#[test]
fn a_unit_of_a_package_is_not_covered_without_a_word() {
    let home = Home::new();
    let (config, data) = (home.path("config"), home.path("data"));
    home.set("XDG_CONFIG_HOME", &config);
    home.set("XDG_DATA_HOME", &data);
    let own = config.join("systemd/user/vmux.service");
    let packaged = data.join("systemd/user/vmux.service");
    std::fs::create_dir_all(packaged.parent().unwrap()).unwrap();
    let printed = home.vmux(&["daemon", "install-unit", "--print"]).stdout;

    std::fs::write(&packaged, &printed).unwrap();
    let said = home.vmux(&["daemon", "install-unit"]);
    let words = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.status.success() && !own.exists(), "{words}");
    let first = format!("{} starts this program", packaged.display());
    assert!(words.starts_with(&first), "{words}");

    std::fs::copy(unit(), &packaged).unwrap();
    let said = home.vmux(&["daemon", "install-unit"]);
    let words = String::from_utf8_lossy(&said.stdout).into_owned();
    let (own_path, instead) = (own.display(), packaged.display());
    let first = format!("wrote {own_path}, which counts instead of {instead}\n");
    assert!(words.starts_with(&first), "{words}");
    assert_eq!(std::fs::read(&own).unwrap(), printed);
}
