//! What a model behind an endpoint cannot do, and what a request to it needs.

use super::report::PointReport;
use crate::{
    remote::RemoteSettings,
    spec::{code::Code, problem::Problem, settings::Settings},
};

/// Checks the settings of a point whose model is remote.
pub(super) fn check(report: &mut PointReport<'_>, remote: &RemoteSettings, settings: &Settings) {
    if !settings.stages.is_empty() {
        report.contradict(
            format!("a remote model cannot be trained by {}", settings.method),
            (report.layered.get("train.algorithm"), "this trains"),
            (report.layered.get("model.base"), "the model is remote"),
            "set `train.algorithm` to \"none\": a remote model is measured as it is",
        );
    }
    let needed = [
        ("base_url", &remote.base_url, "http://localhost:8000/v1"),
        ("model", &remote.model, "qwen2.5-coder-32b-instruct"),
    ];
    for (key, value, example) in needed {
        let path = format!("model.remote.{key}");
        if value.is_empty() && !report.rejected.contains(&path) {
            let title = format!("the key `model.remote.{key}` is missing");
            let place = report.place("model.base");
            let problem = Problem::new(Code::E105, place, title, "a remote model needs it");
            report.add(problem.help(format!("write below [model.remote]: {key} = \"{example}\"")));
        }
    }
    if let Some(fault) = fault_of_address(&remote.base_url) {
        let title = "`model.remote.base_url` is not the address of an endpoint";
        // The line may hold a secret, and an error must not repeat it.
        let is_secret = remote.base_url.contains(['@', '?']);
        let place = report.place(if is_secret {
            "model.base"
        } else {
            "model.remote.base_url"
        });
        report.add(Problem::new(Code::E104, place, title, fault));
    }
    // All evaluations of a point sample alike.
    let Some(sampling) = settings.evals.first().map(|eval| &eval.sampling) else {
        return;
    };
    let filters = [
        ("top_k", sampling.top_k > 0),
        ("min_p", sampling.min_p > 0.0),
    ];
    for (key, is_set) in filters {
        if is_set {
            report.contradict(
                format!("a remote model cannot sample with `{key}`"),
                (
                    report.layered.get(&format!("eval.sampling.{key}")),
                    "the interface has no such setting",
                ),
                (report.layered.get("model.base"), "the model is remote"),
                &format!("set `eval.sampling.{key}` to 0 for this model"),
            );
        }
    }
}

/// What is wrong with an address, if something is. It goes into files, so it may hold no secret.
fn fault_of_address(address: &str) -> Option<&'static str> {
    let rest = ["https://", "http://"]
        .iter()
        .find_map(|scheme| address.strip_prefix(scheme));
    let host = rest.and_then(|rest| rest.split('/').next());
    match host {
        _ if address.is_empty() => None,
        None | Some("") => Some("expected `https://` or `http://`, a host and a path"),
        Some(host) if host.contains('@') => {
            Some("expected no user and no password: the key comes from `model.remote.key_variable`")
        }
        _ if address.contains(['?', '#']) => {
            Some("expected no `?` and no `#`: `/chat/completions` is added at the end")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_holds_a_scheme_a_host_and_no_secret() {
        for fine in [
            "http://localhost:8000/v1",
            "https://api.example.com/v1/",
            "",
        ] {
            assert_eq!(fault_of_address(fine), None, "{fine}");
        }
        for wrong in [
            "localhost:8000/v1",
            "https://",
            "https:///v1",
            "https://user:word@example.com/v1",
            "https://example.com/v1?api-key=1",
            "https://example.com/v1#x",
        ] {
            assert!(fault_of_address(wrong).is_some(), "{wrong}");
        }
    }
}
