use super::*;

fn made(files: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    dir
}

#[test]
fn environments_with_directories_of_their_own_share_what_all_of_them_have() {
    let dir = made(&[
        "environments/dev/main.tf",
        "environments/dev/dev.tfvars",
        "environments/dev/terraform.tfvars",
        "environments/dev/secret.auto.tfvars",
        "environments/dev/only.tfvars",
        "environments/dev/backend.hcl",
        "environments/prod/main.tf",
        "environments/prod/prod.tfvars",
        "environments/prod/backend.hcl",
        "environments/Pre_Prod/main.tf",
        "modules/lake/main.tf",
    ]);
    let layout = find(dir.path()).unwrap();
    assert_eq!(layout.environments, ["dev", "prod"]);
    assert_eq!(
        (layout.var_files.clone(), layout.backend_config.clone()),
        (vec!["{env}.tfvars".into()], vec!["backend.hcl".into()])
    );
    assert!(
        layout.notes.iter().any(|n| n.contains("only.tfvars")) && layout.notes.iter().any(|n| n.contains("Pre_Prod"))
    );
    assert!(!layout.single());
    assert!(layout.directory("x", "prod", "tofu").dir.ends_with("environments/prod"));
    assert_eq!(find(&dir.path().join("environments")).unwrap().environments, ["dev", "prod"]);
}

#[test]
fn one_root_module_is_told_apart_by_values_or_workspaces() {
    let dir = made(&["main.tf", "vars/dev.tfvars", "vars/prod.tfvars", "dev.s3.tfbackend", "prod.s3.tfbackend"]);
    let mut layout = find(dir.path()).unwrap();
    assert_eq!(
        (layout.environments.clone(), layout.var_files.clone()),
        (vec!["dev".into(), "prod".to_owned()], vec!["vars/{env}.tfvars".to_owned()])
    );
    layout.take_workspaces(&["dev".into()]);
    assert!(!layout.workspaces && layout.single());
    layout.take_workspaces(&["dev".into(), "prod".into()]);
    assert!(layout.workspaces);
    let bare = made(&["main.tf"]);
    let mut layout = find(bare.path()).unwrap();
    assert_eq!(layout.environments, ["dev"]);
    layout.take_workspaces(&["blue".into(), "NOT".into()]);
    assert_eq!((layout.environments.clone(), layout.workspaces), (vec!["blue".to_owned()], true));
    assert!(find(made(&["README.md"]).path()).is_err());
}

#[test]
fn a_pipeline_is_called_after_what_says_something() {
    let of = |path: &str| name(Path::new(path));
    assert_eq!(of("/home/ada/Orders_Service/infra"), "orders-service");
    assert_eq!(of("/srv/lake/infra/environments/dev"), "lake");
    assert_eq!(of("/"), "adopted");
    assert_eq!(plain("2024 A very long name that goes on and on"), "a-very-long-name-that-go");
}
