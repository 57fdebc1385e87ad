//! Sessions whose terminal is not their parents': it is proved by its device.

use std::fs;
use std::process::Stdio;

use serde_json::json;

use super::{Desktop, wait_for};

#[test]
#[ignore = "needs a desktop"]
fn a_session_whose_parent_died_is_found_by_its_terminal() {
    let desktop = Desktop::new();
    let script = desktop.script("orphan");
    // The outer shell ends at once; the terminal lives on with the other process.
    let mut xterm = desktop.command("xterm");
    let both = "sh -c '(sh -c \"$0\" <&3 &)' \"$0\"; exec sleep 3600";
    xterm.args(["-e", "sh", "-c", &format!("exec 3<&0; {both}"), &script]);
    desktop.spawn(xterm.stderr(Stdio::null()));
    let orphan = desktop.register("orphan");
    let stat = fs::read_to_string(format!("/proc/{}/stat", orphan.pid)).unwrap();
    let parent = stat.rsplit(')').next().unwrap().split_whitespace().nth(1);
    assert_eq!(parent, Some("1"), "its parent has ended");
    let terminal = desktop.window_of(&orphan);
    desktop.i3("workspace 2");
    desktop.switch(&orphan);
    assert_eq!(desktop.focused(), Some(terminal));
}

#[test]
#[ignore = "needs a desktop"]
fn a_pane_whose_parent_died_is_found_by_its_terminal() {
    let desktop = Desktop::new();
    let tmux = super::tmux::Tmux::new(&desktop, "a");
    let script = desktop.script("orphan");
    let both = "exec 3<&0; sh -c '(sh -c \"$0\" <&3 &)' \"$0\"; exec sleep 3600";
    let words = ["new-session", "-d", "-s", "work", "sh", "-c", both, &script];
    tmux.ok(&words);
    let orphan = desktop.register("orphan");
    tmux.ok(&["new-window", "-t", "work", "sleep", "3600"]);
    let terminal = tmux.attach("work");
    desktop.i3("workspace 2");
    desktop.switch(&orphan);
    assert_eq!(desktop.focused(), Some(terminal));
    let window = tmux.ok(&["display-message", "-p", "-t", "work", "#{window_index}"]);
    assert_eq!(window, "0");
}

/// Every devpts counts from 0: two terminals of one number are two terminals.
#[test]
#[ignore = "needs a desktop"]
fn the_number_of_a_terminal_proves_nothing() {
    let desktop = Desktop::new();
    let stranger = desktop.xterm("stranger");
    let number = fs::read_link(format!("/proc/{}/fd/0", stranger.pid)).unwrap();
    let script = desktop.script("contained");
    // Opens terminals of its own devpts until one has the stranger's number; all that led here ends.
    let inside = desktop.path("inside.py");
    let program = r#"
import os, sys
want, script = sys.argv[1:]
while True:
    master, slave = os.openpty()
    if os.ttyname(slave) == want: break
if os.fork():
    os.set_inheritable(master, True)
    os.execvp("sleep", ["holder", "3600"])
os.setsid()
for fd in range(3): os.dup2(slave, fd)
os.execvp("sh", ["sh", "-c", script])
"#;
    fs::write(&inside, program).unwrap();
    let mounts = "mount -t devpts -o newinstance,ptmxmode=0666 none /dev/pts && mount --bind /dev/pts/ptmx /dev/ptmx";
    let run = format!("{mounts} && exec python3 \"$0\" \"$1\" \"$2\"");
    let mut unshare = desktop.command("unshare");
    unshare.args(["-m", "sh", "-c", &run]).arg(&inside);
    unshare.arg(&number).arg(&script);
    desktop.spawn(unshare.stdin(Stdio::null()).stderr(Stdio::null()));
    let contained = desktop.register("contained");
    let same = fs::read_link(format!("/proc/{}/fd/0", contained.pid)).unwrap();
    assert_eq!(same, number);
    desktop.i3("workspace 2");
    let done = desktop.vmux(&["switch", &contained.name]);
    let error = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(1), "{error}");
    assert!(error.contains("it runs in a container"), "{error}");
    assert_eq!(desktop.focused(), None);
    wait_for("the stranger to be found still", || {
        desktop.session(&stranger)?["window"]["xid"].as_u64()
    });
}

/// A program with a window of its own between a session and its terminal.
#[test]
#[ignore = "needs a desktop"]
fn a_parent_with_a_window_is_not_the_terminal_of_what_it_started() {
    let desktop = Desktop::new();
    let script = desktop.script("below");
    let mut xterm = desktop.command("xterm");
    // The shell starts the session, and becomes a program with a window.
    let shell = "exec 3<&0; sh -c \"$0\" <&3 & exec alacritty -e sleep 3600";
    xterm.args(["-e", "sh", "-c", shell, &script]);
    desktop.spawn(xterm.stderr(Stdio::null()));
    let below = desktop.register("below");
    wait_for("the window of its parent", || {
        let tree = desktop.i3_msg(&["-t", "get_tree"]).stdout;
        String::from_utf8_lossy(&tree)
            .contains("Alacritty")
            .then_some(())
    });
    desktop.i3("[class=\"XTerm\"] focus");
    let terminal = wait_for("the terminal", || desktop.focused());
    desktop.i3("workspace 2");
    desktop.switch(&below);
    assert_eq!(desktop.focused(), Some(terminal));
}

/// Its server and its client have other numbers in there than here.
#[test]
#[ignore = "needs a desktop"]
fn a_tmux_in_a_container_is_followed_to_where_it_was_entered() {
    let desktop = Desktop::new();
    let script = desktop.script("contained");
    let cwd = desktop.path(&format!("work/{}", desktop.unique("contained")));
    let inside = "mount -t devpts -o newinstance,ptmxmode=0666 none /dev/pts
        mount --bind /dev/pts/ptmx /dev/ptmx
        tmux -f /dev/null -S \"$1\" new-session -d -s work \"$0\"
        tmux -S \"$1\" new-window -t work 'sleep 3600'
        script -qfc \"tmux -S '$1' attach -t work\" /dev/null";
    let mut xterm = desktop.command("xterm");
    xterm.args(["-e", "unshare", "-m", "-p", "-f", "--mount-proc"]);
    xterm.args(["sh", "-c", inside, &script]);
    xterm.arg(desktop.path("inside.tmux"));
    desktop.spawn(xterm.stderr(Stdio::null()));
    let number = wait_for("the process in the container", || {
        let pids = fs::read_dir("/proc").unwrap().flatten();
        let mut pids = pids.filter_map(|entry| entry.file_name().into_string().ok());
        pids.find(|pid| {
            let is = |link: &str, path| {
                fs::read_link(format!("/proc/{pid}/{link}")).is_ok_and(|at| at == path)
            };
            is("cwd", cwd.clone()) && is("exe", fs::canonicalize("/bin/sleep").unwrap())
        })
    });
    // What it wrote is its number in the container, and so is its status file called; the other
    // one says that a process called `sleep` is a session.
    let inner = wait_for("its number in there", || {
        let inner = fs::read_to_string(cwd.join("pid")).ok()?;
        inner.trim().parse::<u32>().ok()
    });
    fs::write(cwd.join("pid"), number).unwrap();
    let contained = desktop.adopt("contained");
    contained.set(json!({"pid": inner}));
    let sessions = desktop.path("home/.claude/sessions");
    let (here, there) = (contained.pid, inner);
    fs::copy(
        sessions.join(format!("{here}.json")),
        sessions.join(format!("{there}.json")),
    )
    .unwrap();
    let terminal = desktop.window_of(&contained);
    desktop.i3("workspace 2");
    desktop.switch(&contained);
    assert_eq!(desktop.focused(), Some(terminal));
    let row = desktop.session(&contained).unwrap();
    assert_eq!(row["host"]["target"], "work:0.0");
}

/// podman's monitor holds the terminal in the container, and who entered is connected to it.
#[test]
#[ignore = "needs a desktop"]
fn a_container_is_where_it_was_entered() {
    let desktop = Desktop::new();
    std::os::unix::fs::symlink("/usr/bin/python3", desktop.path("bin/conmon")).unwrap();
    let script = desktop.script("contained");
    let monitor = r#"
import os, socket, sys
server = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
server.bind("attach")
server.listen()
master, slave = os.openpty()
if os.fork() == 0:
    os.setsid()
    for fd in range(3): os.dup2(slave, fd)
    os.execvp("sh", ["sh", "-c", sys.argv[1]])
clients = []
while True: clients.append(server.accept())
"#;
    let mut conmon = desktop.command("conmon");
    conmon.args(["-c", monitor, &script]);
    desktop.spawn(conmon.stdin(Stdio::null()).stdout(Stdio::null()));
    let contained = desktop.register("contained");
    let done = desktop.vmux(&["switch", &contained.name]);
    assert_eq!(done.status.code(), Some(1), "nobody has entered");
    let client = r#"
import socket, time
client = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
client.connect("attach")
time.sleep(3600)
"#;
    let mut xterm = desktop.command("xterm");
    xterm.args(["-e", "python3", "-c", client]);
    desktop.spawn(xterm.stderr(Stdio::null()));
    let terminal = wait_for("the terminal", || desktop.focused());
    desktop.i3("workspace 2");
    wait_for("the container to be entered", || {
        let done = desktop.vmux(&["switch", &contained.name]);
        done.status.success().then_some(())
    });
    assert_eq!(desktop.focused(), Some(terminal));
}
