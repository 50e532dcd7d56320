use std::os::unix::fs::PermissionsExt;

use super::*;

/// A repository with one commit on `main`, made by plumbing's big brother.
fn repository_with(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    run(dir.path(), &["init", "-q", "-b", "main"]);
    commit(dir.path(), files, "First\n\nMore of it");
    dir
}

fn run(dir: &Path, args: &[&str]) {
    let who = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"];
    let output = git(dir).args(who).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", why(&output));
}

fn commit(dir: &Path, files: &[(&str, &str)], message: &str) {
    for (path, content) in files {
        fs::create_dir_all(dir.join(path).parent().unwrap()).unwrap();
        fs::write(dir.join(path), content).unwrap();
    }
    run(dir, &["add", "-A"]);
    run(dir, &["commit", "-q", "-m", message]);
}

#[test]
fn a_commit_is_laid_out_as_it_was_committed() {
    let repo = repository_with(&[
        ("p/pipeline.toml", "a\r\n"),
        ("p/run.sh", "#!/bin/sh\n"),
        (".gitattributes", "* text eol=lf\n"),
    ]);
    let dir = repo.path();
    fs::set_permissions(dir.join("p/run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("pipeline.toml", dir.join("p/link")).unwrap();
    run(dir, &["-c", "core.autocrlf=false", "add", "-A"]);
    run(dir, &["commit", "-q", "-m", "Second"]);
    // What is not committed is not delivered.
    fs::write(dir.join("p/pipeline.toml"), "dirty").unwrap();
    fs::write(dir.join("p/new"), "dirty").unwrap();
    let found = resolve(&dir.join("p"), "main", None).unwrap();
    assert_eq!((found.folder.as_str(), found.summary.as_str(), found.commit.len()), ("p", "Second", 40));
    let out = tempfile::tempdir().unwrap();
    let to = out.path().join("tree");
    assert_eq!(lay_out(&found.top, &found.commit, &to).unwrap(), Tree { files: 4, submodules: vec![] });
    assert_eq!(fs::read(to.join("p/link")).unwrap(), fs::read(to.join("p/pipeline.toml")).unwrap());
    assert!(!to.join("p/new").exists() && !to.join(".git").exists());
    assert_ne!(fs::read(to.join("p/pipeline.toml")).unwrap(), b"dirty");
    assert_eq!(fs::metadata(to.join("p/run.sh")).unwrap().permissions().mode() & 0o100, 0o100);

    let first = resolve(dir, "main", Some("HEAD~1")).unwrap();
    assert_eq!((first.folder.as_str(), first.summary.as_str()), ("", "First"));
    run(dir, &["tag", "-a", "v1", "-m", "one"]);
    assert_eq!(resolve(dir, "main", Some("v1")).unwrap().commit, found.commit);
}

#[test]
fn nothing_that_the_repository_names_is_executed() {
    let repo = repository_with(&[("a.txt", "raw\n"), (".gitattributes", "*.txt filter=evil diff=evil\n")]);
    let dir = repo.path();
    let mark = dir.join("executed");
    let evil = format!("touch {}", mark.display());
    for key in [
        "filter.evil.smudge",
        "filter.evil.clean",
        "filter.evil.process",
        "core.fsmonitor",
        "diff.evil.textconv",
        "gpg.program",
        "core.pager",
        "tar.tar.command",
    ] {
        run(dir, &["config", key, &evil]);
    }
    run(dir, &["config", "log.showSignature", "true"]);
    for hook in ["post-checkout", "post-index-change", "reference-transaction"] {
        let path = dir.join(".git/hooks").join(hook);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("#!/bin/sh\n{evil}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    let _ = fs::remove_file(&mark);
    let found = resolve(dir, "main", None).unwrap();
    let out = tempfile::tempdir().unwrap();
    lay_out(&found.top, &found.commit, &out.path().join("t")).unwrap();
    assert_eq!(fs::read_to_string(out.path().join("t/a.txt")).unwrap(), "raw\n");
    assert!(!mark.exists(), "something of the repository was executed");
}

#[test]
fn what_is_missing_is_said_with_what_mends_it() {
    let none = tempfile::tempdir().unwrap();
    let said = resolve(none.path(), "main", None).unwrap_err().to_string();
    assert!(said.contains("not a git repository") && said.contains("git init"), "{said}");
    let repo = repository_with(&[("a", "a")]);
    let said = resolve(repo.path(), "release", None).unwrap_err().to_string();
    assert!(said.contains("no branch \"release\"") && said.contains("--revision"), "{said}");
    let said = resolve(repo.path(), "main", Some("nope")).unwrap_err().to_string();
    assert!(said.contains("no revision \"nope\""), "{said}");
    for wrong in ["--all", "", "a\nb"] {
        assert!(resolve(repo.path(), "main", Some(wrong)).unwrap_err().to_string().contains("is no revision"));
    }
}

#[test]
fn submodules_are_told_and_left_out() {
    let repo = repository_with(&[("a", "a")]);
    let dir = repo.path();
    let commit = resolve(dir, "main", None).unwrap().commit;
    run(dir, &["update-index", "--add", "--cacheinfo", &format!("160000,{commit},vendor/lib")]);
    run(dir, &["commit", "-q", "-m", "With a submodule"]);
    let found = resolve(dir, "main", None).unwrap();
    let out = tempfile::tempdir().unwrap();
    let tree = lay_out(&found.top, &found.commit, &out.path().join("t")).unwrap();
    assert_eq!(tree, Tree { files: 1, submodules: vec!["vendor/lib".into()] });
}

#[test]
fn a_path_outside_is_refused() {
    for path in ["../x", "/etc/x", "a/../../x", ".git/hooks/x", "a/.GIT/x", ""] {
        let line = format!("100644 blob 5f3e\t{path}");
        assert!(entry(line.as_bytes()).is_err(), "{path}");
    }
    assert!(entry(b"100644 blob 5f3e\ta b/c").is_ok());
}
