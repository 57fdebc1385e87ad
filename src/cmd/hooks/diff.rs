//! What would change in a file, line by line. Pure.

/// Lines shown around a change.
const AROUND: usize = 3;
/// Lines that differ at most; past this all of both texts is shown.
const DIFFERENT: usize = 2000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Both,
    Old,
    New,
}

/// A preview as `diff -u` prints it, without its line numbers' arithmetic for patches.
pub(super) fn render(name: &str, old: &str, new: &str) -> String {
    let before: Vec<&str> = old.split_inclusive('\n').collect();
    let after: Vec<&str> = new.split_inclusive('\n').collect();
    let steps = steps(&before, &after);
    let changed: Vec<usize> = (0..steps.len())
        .filter(|n| steps[*n] != Step::Both)
        .collect();
    let near = |n: usize| {
        let next = changed.partition_point(|at| *at + AROUND < n);
        changed.get(next).is_some_and(|at| *at <= n + AROUND)
    };
    let mut text = format!("--- {name}\n+++ {name}\n");
    let (mut from, mut to, mut open) = (0, 0, false);
    for (n, step) in steps.iter().enumerate() {
        let shown = near(n);
        if shown && !open {
            text.push_str(&format!("@@ -{} +{} @@\n", from + 1, to + 1));
        }
        open = shown;
        let (mark, line) = match step {
            Step::New => ('+', after[to]),
            Step::Old => ('-', before[from]),
            Step::Both => (' ', before[from]),
        };
        if shown {
            text.push(mark);
            text.push_str(line.trim_end_matches(['\n', '\r']));
            text.push('\n');
            if !line.ends_with('\n') {
                text.push_str("\\ No newline at end of file\n");
            }
        }
        from += usize::from(*step != Step::New);
        to += usize::from(*step != Step::Old);
    }
    text
}

/// The shortest way from one list of lines to the other (Myers).
fn steps(old: &[&str], new: &[&str]) -> Vec<Step> {
    let most = (old.len() + new.len()).min(DIFFERENT);
    // `reach[d][k]`: how far into `old` the diagonal `k - d` is reached with `d` differences.
    let mut reach: Vec<Vec<usize>> = Vec::new();
    for d in 0..=most {
        let mut row = vec![0; 2 * d + 1];
        for k in (0..=2 * d).step_by(2) {
            let mut x = start(&reach, d, k);
            while x < old.len()
                && line_of(x, d, k).is_some_and(|y| y < new.len() && old[x] == new[y])
            {
                x += 1;
            }
            row[k] = x;
            if x >= old.len() && line_of(x, d, k).is_some_and(|y| y >= new.len()) {
                reach.push(row);
                return walk_back(&reach, d, k);
            }
        }
        reach.push(row);
    }
    let mut all = vec![Step::Old; old.len()];
    all.extend(vec![Step::New; new.len()]);
    all
}

/// The line of the new text on diagonal `k - d`, at line `x` of the old one.
fn line_of(x: usize, d: usize, k: usize) -> Option<usize> {
    (x + d).checked_sub(k)
}

/// Whether diagonal `k` of row `d` is best come to by a new line.
fn by_new(reach: &[Vec<usize>], d: usize, k: usize) -> bool {
    let row = &reach[d - 1];
    k == 0 || (k < 2 * d && k - 2 < row.len() && row.get(k - 2) < row.get(k))
}

fn start(reach: &[Vec<usize>], d: usize, k: usize) -> usize {
    match d {
        0 => 0,
        _ if by_new(reach, d, k) => reach[d - 1][k],
        _ => reach[d - 1][k - 2] + 1,
    }
}

fn walk_back(reach: &[Vec<usize>], mut d: usize, mut k: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    loop {
        let begin = start(reach, d, k);
        steps.extend((begin..reach[d][k]).map(|_| Step::Both));
        if d == 0 {
            break;
        }
        if by_new(reach, d, k) {
            steps.push(Step::New);
        } else {
            steps.push(Step::Old);
            k -= 2;
        }
        d -= 1;
    }
    steps.reverse();
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changes_is_shown_with_a_few_lines_around() {
        let old: String = (1..=20).map(|n| format!("{n}\n")).collect();
        let new = old.replace("10\n", "10\nnew\n").replace("20\n", "");
        assert_eq!(
            render("f", &old, &new),
            "--- f\n+++ f\n@@ -8 +8 @@\n 8\n 9\n 10\n+new\n 11\n 12\n 13\n@@ -17 +18 @@\n 17\n 18\n 19\n-20\n"
        );
        assert_eq!(
            render("f", "a", "a\nb\n"),
            "--- f\n+++ f\n@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+a\n+b\n"
        );
        assert_eq!(render("f", "", "x\n"), "--- f\n+++ f\n@@ -1 +1 @@\n+x\n");
        assert_eq!(render("f", "x\n", "x\n"), "--- f\n+++ f\n");
    }

    #[test]
    fn the_steps_lead_from_one_text_to_the_other() {
        let words = ["a", "b", "c"];
        let text = |mut n: usize| -> Vec<&str> {
            let mut lines = Vec::new();
            while n > 0 {
                lines.push(words[n % 3]);
                n /= 3;
            }
            lines
        };
        for (a, b) in (0..120).flat_map(|a| (0..120).map(move |b| (a * 7, b * 5))) {
            let (old, new) = (text(a), text(b));
            let steps = steps(&old, &new);
            let side = |other| {
                let lines = steps.iter().filter(|step| **step != other);
                lines.count()
            };
            assert_eq!((side(Step::New), side(Step::Old)), (old.len(), new.len()));
            let (mut from, mut to) = (0, 0);
            for step in steps {
                if step == Step::Both {
                    assert_eq!(old[from], new[to]);
                }
                from += usize::from(step != Step::New);
                to += usize::from(step != Step::Old);
            }
        }
    }
}
