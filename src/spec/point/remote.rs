//! What a model or a teacher behind an endpoint cannot do, and what a request to it needs.

use super::report::PointReport;
use crate::{
    remote::RemoteSettings,
    spec::{code::Code, problem::Problem, settings::Settings},
    train::{Algorithm, DistillEstimator, TrainSettings},
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
    endpoint(report, remote, "model.remote", ("model.base", "model"));
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

/// Checks the teacher of a training, if it is behind an endpoint.
pub(super) fn teacher(report: &mut PointReport<'_>, train: &TrainSettings) {
    let Algorithm::Distill(distill) = &train.algorithm else {
        return;
    };
    let Some(remote) = &distill.remote else {
        return;
    };
    let key = "train.distill.teacher";
    endpoint(report, remote, "train.distill.remote", (key, "teacher"));
    if distill.estimator == DistillEstimator::Exact {
        report.contradict(
            "a remote teacher judges only the tokens that were drawn".to_owned(),
            (
                report.layered.get("train.distill.estimator"),
                "needs the whole vocabulary",
            ),
            (report.layered.get(key), "the teacher is remote"),
            "set `train.distill.estimator` to \"sampled\"",
        );
    }
    if (train.sampling.temperature - 1.0).abs() > f64::EPSILON {
        report.contradict(
            "a remote teacher answers at a temperature of 1".to_owned(),
            (
                report.trained("distill", "sampling.temperature"),
                "samples at another temperature",
            ),
            (report.layered.get(key), "the teacher is remote"),
            "set `train.distill.sampling.temperature` to 1.0",
        );
    }
}

/// Checks the endpoint below `section`, which the key `by` asks for.
fn endpoint(
    report: &mut PointReport<'_>,
    remote: &RemoteSettings,
    section: &str,
    (by, noun): (&str, &str),
) {
    let needed = [
        ("base_url", &remote.base_url, "http://localhost:8000/v1"),
        ("model", &remote.model, "qwen2.5-coder-32b-instruct"),
    ];
    for (key, value, example) in needed {
        let path = format!("{section}.{key}");
        if value.is_empty() && !report.rejected.contains(&path) {
            let title = format!("the key `{path}` is missing");
            let (place, label) = (report.place(by), format!("a remote {noun} needs it"));
            let problem = Problem::new(Code::E105, place, title, label);
            report.add(problem.help(format!("write below [{section}]: {key} = \"{example}\"")));
        }
    }
    if let Some(fault) = fault_of_address(&remote.base_url) {
        let address = format!("{section}.base_url");
        // The line may hold a secret, and an error must not repeat it.
        let is_secret = remote.base_url.contains(['@', '?']);
        let place = report.place(if is_secret { by } else { &address });
        let title = format!("`{address}` is not the address of an endpoint");
        report.add(Problem::new(Code::E104, place, title, fault));
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
            Some("expected no user and no password: the key comes from `key_variable`")
        }
        _ if address.contains(['?', '#']) => {
            Some("expected no `?` and no `#`: the path of a request is added at the end")
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
