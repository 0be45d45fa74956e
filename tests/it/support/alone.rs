//! For tests that count what the whole process holds: a process of their own, whoever runs them.

use std::process::Command;

/// Set in the process that belongs to one test.
const MARK: &str = "TETHER_TEST_ALONE";

/// Runs `test` in a process in which no other test runs. `name` is its full path, as the test runner shows it.
pub fn alone(name: &str, test: impl FnOnce()) {
    let own_process = |key| std::env::var(key).is_ok_and(|value| value == name || value == "process-per-test");
    if own_process(MARK) || own_process("NEXTEST_EXECUTION_MODE") {
        return test();
    }
    let program = std::env::current_exe().expect("this program");
    let ran = Command::new(program).args(["--exact", name, "--nocapture"]).env(MARK, name).output().expect("a run");
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&ran.stderr));
}
