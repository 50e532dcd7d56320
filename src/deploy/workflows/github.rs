//! A pipeline's workflow for GitHub Actions.

use std::fmt::Write as _;

use super::{ToolSource, WorkflowEngine, WorkflowOptions};
use crate::spec::{Environment, Pipeline};

// Each by the full commit, since a tag can be moved.
const CHECKOUT: &str = "actions/checkout@de0fac2e4500dabe0009e67214ff5f5447ce83dd # v6.0.2";
const UPLOAD: &str = "actions/upload-artifact@b7c566a772e6b6bfb58ed0dc250532a479d7789f # v6.0.0";
const DOWNLOAD: &str = "actions/download-artifact@37930b1c2abaa49bbe596cd826c3c89aef350131 # v7.0.0";
const CREDENTIALS: &str = "aws-actions/configure-aws-credentials@61815dcd50bd041e203e49132bacad1fd04d2708 # v5.1.1";
const TERRAFORM: &str = "hashicorp/setup-terraform@b9cd54a3c349d3f38e8881555d616ced269862dd # v3.1.2";
const TOFU: &str = "opentofu/setup-opentofu@9d84900f3238fab8cd84ce47d658d25dd008be2f # v1.0.8";

const RUNNER: &str = "ubuntu-24.04";
/// The versions that the workflow installs, which plan and deploy have to share.
const TERRAFORM_VERSION: &str = "1.11.4";
const TOFU_VERSION: &str = "1.9.0";
/// Days for which a plan and what applies it wait for an approval.
const KEPT: u32 = 7;
/// The Rust that pumphouse is built with.
const RUST: &str = env!("CARGO_PKG_RUST_VERSION");

/// Gets pumphouse, once for all jobs of a run, so that the plan and what applies it are of the same.
const TOOL: &str = r#"          mkdir bin
          if [ -n "$PUMPHOUSE_URL" ]; then
            if [ -z "$PUMPHOUSE_SHA256" ]; then
              echo "::error::PUMPHOUSE_SHA256 is not set: the SHA-256 of the archive at PUMPHOUSE_URL"
              exit 1
            fi
            curl --fail --silent --show-error --location --proto '=https' --tlsv1.2 --output pumphouse.tar.gz "$PUMPHOUSE_URL"
            echo "$PUMPHOUSE_SHA256  pumphouse.tar.gz" | sha256sum --check --strict
          elif [ -n "$PUMPHOUSE_GIT" ]; then
            if ! [[ "$PUMPHOUSE_REV" =~ ^[0-9a-f]{40}$ ]]; then
              echo "::error::PUMPHOUSE_REV is not a full commit of PUMPHOUSE_GIT"
              exit 1
            fi
            git init --quiet source
            git -C source fetch --quiet --depth 1 -- "$PUMPHOUSE_GIT" "$PUMPHOUSE_REV"
            git -C source checkout --quiet FETCH_HEAD
            rustup toolchain install "$RUSTUP_TOOLCHAIN" --profile minimal
            cargo install --quiet --locked --debug --path source --bin pumphouse --root .
            strip bin/pumphouse
{bootstrap}            tar -C bin -czf pumphouse.tar.gz .
          else
            echo "::error::set the repository's variables PUMPHOUSE_URL and PUMPHOUSE_SHA256, or PUMPHOUSE_GIT and PUMPHOUSE_REV; pull requests from forks get no variables, for them the values belong into this file"
            exit 1
          fi
"#;

/// For functions in Rust: what AWS Lambda starts.
const BOOTSTRAP: &str = r#"            cp "$(source/.ci/bootstrap "$PWD/bootstrap")" bin/bootstrap
"#;

/// Puts a plan into the pull request, in the place of the one before.
const COMMENT: &str = r#"          comments="repos/$GITHUB_REPOSITORY/issues/$NUMBER/comments"
          MARKER="$(sed -n 1p plan.md)"
          export MARKER
          ids="$(gh api --paginate "$comments" --jq '.[] | select(.user.login == "github-actions[bot]" and (.body | startswith(env.MARKER))) | .id')"
          id="$(sed -n 1p <<< "$ids")"
          if [ -n "$id" ]; then
            gh api --silent --method PATCH "repos/$GITHUB_REPOSITORY/issues/comments/$id" -F body=@plan.md
          else
            gh api --silent --method POST "$comments" -F body=@plan.md
          fi
"#;

/// Keeps a plan where it is not for everybody to read: what a run of a public repository keeps is.
const SEAL: &str = r#"          mkdir kept
          if [ -n "$PLAN_KEY" ]; then
            openssl enc -aes-256-cbc -pbkdf2 -iter 600000 -salt -pass env:PLAN_KEY -in plan.json -out kept/plan.json.enc
          elif [ "$PUBLIC" = "true" ]; then
            echo "::error::this repository is public, and so is what its runs keep: set the secret PUMPHOUSE_PLAN_KEY, with which the plan is encrypted"
            exit 1
          else
            mv plan.json kept/plan.json
          fi
"#;

/// And takes it out again; that it was not changed meanwhile, its own digest says.
const OPEN: &str = r#"          if [ -f "$RUNNER_TEMP/plan/plan.json.enc" ]; then
            openssl enc -d -aes-256-cbc -pbkdf2 -iter 600000 -pass env:PLAN_KEY -in "$RUNNER_TEMP/plan/plan.json.enc" -out "$RUNNER_TEMP/plan/plan.json"
          fi
"#;

/// What a pull request of the repository's own is; others get no credentials.
const OWN: &str = "github.event_name == 'pull_request' && github.event.pull_request.head.repo.full_name == \
                   github.repository && github.event.pull_request.user.login != 'dependabot[bot]'";
/// What another is.
const STRANGE: &str = "github.event_name == 'pull_request' && (github.event.pull_request.head.repo.full_name != \
                       github.repository || github.event.pull_request.user.login == 'dependabot[bot]')";

/// The workflow.
pub(super) fn workflow(pipeline: &Pipeline, options: &WorkflowOptions) -> String {
    let mut w = Workflow { pipeline, options, text: String::new() };
    w.head();
    w.tool();
    w.check();
    for env in &pipeline.environments {
        w.show(env);
    }
    let mut before = None;
    for env in &pipeline.environments {
        w.plan(env, before);
        w.deploy(env);
        before = Some(env.name.as_str());
    }
    w.text
}

struct Workflow<'a> {
    pipeline: &'a Pipeline,
    options: &'a WorkflowOptions,
    text: String,
}

impl Workflow<'_> {
    fn add(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn head(&mut self) {
        let name = &self.pipeline.name;
        let branch = &self.options.branch;
        let _ = write!(
            self.text,
            "# {name}: checked and planned on pull requests, deployed from {branch}, one environment after the other.\n\
             # Written by `pumphouse export github-actions {name}`, version {}; docs/ci.md of pumphouse says what has to be\n\
             # set up in the repository and in AWS.\n\
             name: {name}\n\n",
            env!("CARGO_PKG_VERSION")
        );
        // What Terraform reads may be anywhere in the repository.
        let folder = self.options.folder.as_ref().filter(|_| self.options.engine == WorkflowEngine::CloudFormation);
        let paths = folder.map_or_else(String::new, |folder| {
            format!("    paths:\n      - {}\n      - .github/workflows/{name}.yml\n", quoted(&format!("{folder}/**")))
        });
        let pull_request =
            if paths.is_empty() { "  pull_request:\n".to_owned() } else { format!("  pull_request:\n{paths}") };
        let _ = write!(
            self.text,
            "on:\n{pull_request}  push:\n    branches: [{}]\n{paths}  workflow_dispatch:\n\n\
             permissions: {{}}\n\n\
             # Of a pull request, only the newest state is of interest. A run on {branch} is never cut off.\n\
             concurrency:\n  group: {name}-${{{{ github.event.pull_request.number || github.run_id }}}}\n  \
             cancel-in-progress: ${{{{ github.event_name == 'pull_request' }}}}\n\n\
             defaults:\n  run:\n    shell: bash\n\n",
            quoted(branch)
        );
        self.variables();
        self.add("jobs:\n");
    }

    /// Where pumphouse is from, and what all jobs know.
    fn variables(&mut self) {
        let variable = |name: &str| format!("${{{{ vars.{name} }}}}");
        let (mut url, mut sha256, mut git, mut rev) = (String::new(), String::new(), String::new(), String::new());
        match &self.options.source {
            ToolSource::Variables => {
                (url, sha256) = (variable("PUMPHOUSE_URL"), variable("PUMPHOUSE_SHA256"));
                (git, rev) = (variable("PUMPHOUSE_GIT"), variable("PUMPHOUSE_REV"));
            }
            ToolSource::Archive { url: of, sha256: sum } => (url, sha256) = (quoted(of), quoted(sum)),
            ToolSource::Git { url: of, revision } => (git, rev) = (quoted(of), quoted(revision)),
        }
        let empty = |text: String| if text.is_empty() { "\"\"".to_owned() } else { text };
        let _ = write!(
            self.text,
            "env:\n  # An archive (.tar.gz) with pumphouse{}, or a git repository to build it from.\n  PUMPHOUSE_URL: {}\n  \
             PUMPHOUSE_SHA256: {}\n  PUMPHOUSE_GIT: {}\n  PUMPHOUSE_REV: {}\n  RUSTUP_TOOLCHAIN: \"{RUST}\"\n",
            if self.in_rust() { " and bootstrap" } else { "" },
            empty(url),
            empty(sha256),
            empty(git),
            empty(rev)
        );
        if let Some((folder, _)) = self.options.folder.as_deref().and_then(|f| f.rsplit_once('/'))
            && folder != "pipelines"
        {
            let _ = writeln!(self.text, "  PUMPHOUSE_PIPELINES: {}", quoted(folder));
        }
        self.add("\n");
    }

    /// Whether AWS Lambda needs an executable of ours.
    fn in_rust(&self) -> bool {
        let rust = |e: &Environment| e.functions.iter().any(|f| f.runtime == crate::spec::Runtime::Rust);
        self.options.engine == WorkflowEngine::CloudFormation && self.pipeline.environments.iter().any(rust)
    }

    fn tool(&mut self) {
        let bootstrap = if self.in_rust() { BOOTSTRAP } else { "" };
        let _ = write!(
            self.text,
            "  tool:\n    name: pumphouse\n    runs-on: {RUNNER}\n    timeout-minutes: 60\n    permissions: {{}}\n    steps:\n      \
             - name: Get pumphouse\n        run: |\n{}      - name: Keep it for the other jobs\n        uses: {UPLOAD}\n        \
             with:\n          name: pumphouse\n          path: pumphouse.tar.gz\n          retention-days: {KEPT}\n          \
             if-no-files-found: error\n\n",
            TOOL.replace("{bootstrap}", bootstrap)
        );
    }

    /// What every other job begins with.
    fn beginning(&mut self) {
        let _ = write!(
            self.text,
            "    steps:\n      - name: Check out\n        uses: {CHECKOUT}\n        with:\n          persist-credentials: false\n      \
             - name: Fetch pumphouse\n        uses: {DOWNLOAD}\n        with:\n          name: pumphouse\n          \
             path: ${{{{ runner.temp }}}}/tool\n      - name: Unpack pumphouse\n        run: |\n          \
             tar -C \"$RUNNER_TEMP/tool\" -xzf \"$RUNNER_TEMP/tool/pumphouse.tar.gz\"\n          \
             echo \"$RUNNER_TEMP/tool\" >> \"$GITHUB_PATH\"\n"
        );
    }

    fn check(&mut self) {
        let pipeline = self.pipeline.name.as_str();
        let _ = write!(
            self.text,
            "  check:\n    name: Check and test\n    needs: tool\n    runs-on: {RUNNER}\n    timeout-minutes: 30\n    permissions:\n      \
             contents: read\n"
        );
        self.beginning();
        let path = self.options.folder.as_ref().map_or_else(String::new, |f| format!(" {f}"));
        let _ = write!(self.text, "      - name: Check\n        run: pumphouse check{path}\n");
        let folder = self.options.folder.clone().unwrap_or_default();
        if self.options.python_tests {
            let _ = write!(
                self.text,
                "      - name: Unit tests in Python\n        run: python3 -m unittest discover -s {folder}/tests\n"
            );
        }
        if self.options.node_tests {
            let _ = write!(
                self.text,
                "      - name: Unit tests in JavaScript\n        run: node --test {folder}/tests/*.test.*js\n"
            );
        }
        if self.options.engine == WorkflowEngine::CloudFormation
            && let Some(env) = self.pipeline.environments.first()
        {
            // On the embedded cloud, with the pipeline's own samples: no credentials are there, and none are needed.
            let confirmed = confirmed(pipeline, env);
            let yes = if confirmed.is_empty() { " --yes" } else { &confirmed };
            let _ = write!(
                self.text,
                "      - name: Run it on the embedded cloud\n        env:\n          PUMPHOUSE_LOCAL: \"true\"\n          \
                 PUMPHOUSE_STATE_DIR: ${{{{ runner.temp }}}}/state\n        run: |\n          \
                 pumphouse deploy {pipeline} --env {env}{yes}\n          pumphouse run {pipeline} --env {env}\n",
                env = env.name
            );
        }
        let _ = write!(
            self.text,
            "      - name: Say why no plan is shown\n        if: {STRANGE}\n        run: |\n          \
             echo \"No plan is shown: a pull request from a fork, or of Dependabot, gets no credentials for AWS. It is \
             planned once it is merged, before anything is deployed.\" >> \"$GITHUB_STEP_SUMMARY\"\n"
        );
        self.add("\n");
    }

    /// Terraform itself, where it is the engine.
    fn engine(&mut self) {
        let (name, uses, key, version) = match self.options.engine {
            WorkflowEngine::CloudFormation => return,
            WorkflowEngine::Terraform => ("Terraform", TERRAFORM, "terraform", TERRAFORM_VERSION),
            WorkflowEngine::OpenTofu => ("OpenTofu", TOFU, "tofu", TOFU_VERSION),
        };
        let _ = write!(
            self.text,
            "      - name: Install {name}\n        uses: {uses}\n        with:\n          {key}_version: \"{version}\"\n          \
             {key}_wrapper: false\n"
        );
    }

    fn credentials(&mut self, env: &Environment, role: &str) {
        let region = env.region.as_deref().map_or_else(|| "${{ vars.AWS_REGION }}".to_owned(), str::to_owned);
        let _ = write!(
            self.text,
            "      - name: Assume the role\n        uses: {CREDENTIALS}\n        with:\n          role-to-assume: {role}\n          \
             aws-region: {region}\n"
        );
    }

    /// The plan of a pull request, as a comment. It only reads: what is in a pull request may be anybody's.
    fn show(&mut self, env: &Environment) {
        let (pipeline, name) = (self.pipeline.name.as_str(), env.name.as_str());
        let _ = write!(
            self.text,
            "  show-{name}:\n    name: Show the plan for {name}\n    if: {OWN}\n    needs: [tool, check]\n    runs-on: {RUNNER}\n    \
             timeout-minutes: 30\n    permissions:\n      contents: read\n      id-token: write # the role, by OIDC\n      \
             pull-requests: write # the comment\n"
        );
        self.beginning();
        self.engine();
        self.credentials(env, &format!("${{{{ vars.PUMPHOUSE_READ_ROLE_ARN_{} }}}}", name.to_uppercase()));
        let _ = write!(
            self.text,
            "      - name: Plan\n        run: |\n          \
             pumphouse plan {pipeline} --env {name} --read-only --output markdown > plan.md\n          \
             cat plan.md >> \"$GITHUB_STEP_SUMMARY\"\n      - name: Comment on the pull request\n        env:\n          \
             GH_TOKEN: ${{{{ github.token }}}}\n          NUMBER: ${{{{ github.event.pull_request.number }}}}\n        run: |\n\
             {COMMENT}\n"
        );
    }

    /// The plan that waits for its approval.
    fn plan(&mut self, env: &Environment, before: Option<&str>) {
        let (pipeline, name, branch) = (self.pipeline.name.as_str(), env.name.as_str(), self.options.branch.as_str());
        let needs = before.map_or_else(String::new, |before| format!(", deploy-{before}"));
        let _ = write!(
            self.text,
            "  plan-{name}:\n    name: Plan {name}\n    \
             if: ${{{{ !cancelled() && !failure() && github.event_name != 'pull_request' && github.ref == 'refs/heads/{branch}' }}}}\n    \
             needs: [tool, check{needs}]\n    runs-on: {RUNNER}\n    timeout-minutes: 30\n    \
             environment: {name}-plan # its variable PUMPHOUSE_ROLE_ARN\n    \
             concurrency:\n      group: pumphouse-{pipeline}-{name}\n      cancel-in-progress: false\n    \
             permissions:\n      contents: read\n      id-token: write # the role, by OIDC\n    \
             outputs:\n      changes: ${{{{ steps.plan.outputs.changes }}}}\n"
        );
        self.beginning();
        self.engine();
        self.credentials(env, "${{ vars.PUMPHOUSE_ROLE_ARN }}");
        let _ = write!(
            self.text,
            "      - name: Plan\n        id: plan\n        run: |\n          code=0\n          \
             pumphouse plan {pipeline} --env {name} --detailed-exitcode --out plan.json --output markdown > plan.md || code=$?\n          \
             cat plan.md >> \"$GITHUB_STEP_SUMMARY\"\n          case \"$code\" in\n            \
             0) echo \"changes=false\" >> \"$GITHUB_OUTPUT\" ;;\n            2) echo \"changes=true\" >> \"$GITHUB_OUTPUT\" ;;\n            \
             *) exit \"$code\" ;;\n          esac\n      - name: Seal the plan\n        \
             if: steps.plan.outputs.changes == 'true'\n        env:\n          \
             PLAN_KEY: ${{{{ secrets.PUMPHOUSE_PLAN_KEY }}}}\n          PUBLIC: ${{{{ !github.event.repository.private }}}}\n        \
             run: |\n{SEAL}      - name: Keep the plan until it is approved\n        \
             if: steps.plan.outputs.changes == 'true'\n        uses: {UPLOAD}\n        with:\n          name: plan-{name}\n          \
             path: kept\n          retention-days: {KEPT}\n          if-no-files-found: error\n\n"
        );
    }

    /// What was planned, once the environment lets it.
    fn deploy(&mut self, env: &Environment) {
        let (pipeline, name) = (self.pipeline.name.as_str(), env.name.as_str());
        let _ = write!(
            self.text,
            "  deploy-{name}:\n    name: Deploy {name}\n    \
             if: ${{{{ !cancelled() && !failure() && needs.plan-{name}.outputs.changes == 'true' }}}}\n    \
             needs: [tool, plan-{name}]\n    runs-on: {RUNNER}\n    timeout-minutes: 60\n    \
             environment: {name} # its reviewers, and its variable PUMPHOUSE_ROLE_ARN\n    \
             concurrency: # two deploys never meet, and none is cut off\n      group: pumphouse-{pipeline}-{name}\n      \
             cancel-in-progress: false\n    \
             permissions:\n      contents: read\n      id-token: write # the role, by OIDC\n"
        );
        self.beginning();
        let _ = write!(
            self.text,
            "      - name: Fetch the plan\n        uses: {DOWNLOAD}\n        with:\n          name: plan-{name}\n          \
             path: ${{{{ runner.temp }}}}/plan\n      - name: Open the plan\n        env:\n          \
             PLAN_KEY: ${{{{ secrets.PUMPHOUSE_PLAN_KEY }}}}\n        run: |\n{OPEN}"
        );
        self.engine();
        self.credentials(env, "${{ vars.PUMPHOUSE_ROLE_ARN }}");
        let _ = write!(
            self.text,
            "      - name: Deploy what was planned\n        \
             run: pumphouse deploy {pipeline} --env {name} --plan-file \"$RUNNER_TEMP/plan/plan.json\"{}\n",
            confirmed(pipeline, env)
        );
        if self.pipeline.environments.last().is_none_or(|last| last.name != env.name) {
            self.add("\n");
        }
    }
}

/// The name that a protected environment asks for: here, its reviewers have given it.
fn confirmed(pipeline: &str, env: &Environment) -> String {
    if env.protected { format!(" --confirm {}", crate::deploy::stack_name(pipeline, &env.name)) } else { String::new() }
}

/// Text that YAML takes for text.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
