//! From the text of a spec to an experiment, or to all its mistakes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use rayon::prelude::*;

use super::{
    check::{self, report::Report},
    code::Code,
    experiment::Experiment,
    grid::{
        assignments, axes,
        points::{Candidate, Grid},
    },
    point::{self, report::PointReport, resolve},
    problem::{Mistakes, Problem},
    read::{
        layered::Layered,
        layers::Layers,
        node::Node,
        source::{Kind, Place, Sources},
        surroundings::Surroundings,
    },
    settings::Point,
    table,
    warn::written::Written,
};

/// A spec to read.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The spec.
    pub file: &'a Path,
    /// The values of `--set`, in their order.
    pub overrides: &'a [String],
    /// The variables of the environment; those that begin with `RECODE_` are settings.
    pub environment: &'a [(String, String)],
    /// The project.
    pub around: &'a Surroundings,
}

/// Reads a spec with all its layers.
pub fn load(request: &Request<'_>) -> Result<Experiment, Box<Mistakes>> {
    let mut environment = request.environment.to_vec();
    environment.sort();
    let (layers, top) = Layers::read(request.file, &environment, request.overrides);
    let Layers {
        sources,
        trees,
        problems,
        ..
    } = layers;
    let mut loading = Loading {
        sources,
        problems,
        meant: BTreeSet::new(),
        rejected: BTreeSet::new(),
        around: request.around,
        top,
    };
    let experiment = loading.experiment(trees);
    match experiment {
        Some(experiment) if loading.problems.is_empty() => Ok(experiment),
        _ => Err(Box::new(Mistakes {
            file: request.file.display().to_string(),
            sources: loading.sources,
            problems: loading.problems,
        })),
    }
}

/// A spec while it is being read.
struct Loading<'a> {
    sources: Sources,
    problems: Vec<Problem>,
    meant: BTreeSet<String>,
    rejected: BTreeSet<String>,
    around: &'a Surroundings,
    /// The beginning of the spec.
    top: Place,
}

impl Loading<'_> {
    fn experiment(&mut self, mut trees: Vec<Node>) -> Option<Experiment> {
        // A text that is not TOML, or a file that is not there, would make more mistakes appear
        // than there are.
        let is_readable = self.problems.iter().all(|problem| {
            !matches!(
                problem.code,
                Code::E100 | Code::E109 | Code::E110 | Code::E113
            )
        });
        for tree in &mut trees {
            let mut report = Report {
                sources: &self.sources,
                problems: &mut self.problems,
                meant: &mut self.meant,
                rejected: &mut self.rejected,
            };
            check::layer(&mut report, tree);
            axes::check(&mut report, tree);
            assignments::check_baseline(&mut report, tree);
        }
        if !is_readable {
            return None;
        }
        let layered = Layered::new(trees);
        let name = self.name(&layered);
        let grid = Grid::read(&layered, self.top, &mut self.problems);
        let candidates = grid.points(&layered, &mut self.problems);
        let points = self.points(&grid.paths(), &candidates)?;
        let mut warnings = Vec::new();
        self.outside_of_a_project();
        let table = table::reader::Reader {
            layered: &layered,
            grid: &grid,
            points: &points,
            references: self.around.references.as_deref(),
            meant: &self.meant,
            rejected: &self.rejected,
            problems: &mut self.problems,
            warnings: &mut warnings,
        };
        let table = table.read();
        let description = layered.json("description");
        let run = resolve::settings(&layered).ok()?.run;
        let report = resolve::section(&layered, "report").ok()?;
        Some(Experiment {
            name,
            description: description
                .as_ref()
                .and_then(|text| text.as_str())
                .unwrap_or("")
                .into(),
            axes: grid.paths(),
            points,
            table,
            run,
            report,
            origins: self.origins(&layered),
            written: self.written(layered, &grid, candidates, warnings),
        })
    }

    fn written(
        &self,
        layered: Layered,
        grid: &Grid,
        candidates: Vec<Candidate>,
        warnings: Vec<Problem>,
    ) -> Written {
        let of = |candidates: Vec<Candidate>| -> Vec<Layered> {
            candidates.into_iter().map(|point| point.layered).collect()
        };
        let is_of_a_file = |tree: &&Node| {
            let kind = &self.sources.get(tree.place.source).kind;
            matches!(kind, Kind::Defaults | Kind::File { .. })
        };
        let files = Layered::new(layered.trees().filter(is_of_a_file).cloned());
        let is_changed = files.trees().count() < layered.trees().count();
        let own_points = if is_changed {
            // Its mistakes are those of the whole, or were mended by the command line.
            let grid = Grid::read(&files, self.top, &mut Vec::new());
            of(grid.points(&files, &mut Vec::new()))
        } else {
            Vec::new()
        };
        let baseline = layered.entries("table.baseline").first().map(|setting| {
            let is_of_a_file = self.sources.get(setting.place().source).is_file();
            (setting.place(), is_changed && is_of_a_file)
        });
        let axes = grid.axes().into_iter().chain(grid.added());
        Written {
            sources: self.sources.clone(),
            warnings,
            axes: axes.map(|axis| (axis.key.clone(), axis.place)).collect(),
            layered: Some(layered),
            points: of(candidates),
            own_points,
            baseline,
        }
    }

    fn name(&mut self, layered: &Layered) -> String {
        if let Some(name) = layered
            .get("name")
            .and_then(|setting| setting.entry.node.as_text())
        {
            return name.to_owned();
        }
        if !self.meant.contains("name") {
            let file = Path::new(&self.sources.get(self.top.source).name);
            let stem = file
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let title = "the key `name` is missing";
            let label = "the folder of the tables needs a name";
            let problem = Problem::new(Code::E105, self.top, title, label);
            self.problems
                .push(problem.help(format!("write at the top: name = \"{stem}\"")));
        }
        String::new()
    }

    fn points(&mut self, axes: &[String], candidates: &[Candidate]) -> Option<Vec<Point>> {
        let mut points: Vec<Point> = Vec::new();
        let mut places: Vec<Place> = Vec::new();
        let resolved: Vec<_> = candidates
            .par_iter()
            .map(|candidate| resolve::settings(&candidate.layered))
            .collect();
        for (candidate, settings) in candidates.iter().zip(resolved) {
            let layered = &candidate.layered;
            let mut settings = match settings {
                Ok(settings) => settings,
                Err(reason) => {
                    let title = "these settings do not fit together";
                    self.problems
                        .push(Problem::new(Code::E112, candidate.place, title, reason));
                    return None;
                }
            };
            let mut report = PointReport {
                layered,
                sources: &self.sources,
                around: self.around,
                top: self.top,
                rejected: &self.rejected,
                problems: &mut self.problems,
            };
            point::check(&mut report, &mut settings);
            let value = |axis: &String| Some((axis.clone(), layered.json(axis)?));
            let values: BTreeMap<_, _> = axes.iter().filter_map(value).collect();
            let twin = points.iter().position(|point| point.values == values);
            if let Some(twin) = twin {
                let title = "two points of the grid are equal";
                let problem = Problem::new(Code::E125, candidate.place, title, "the same again");
                let problem = problem.also(places[twin], "the first is here");
                self.problems.push(problem.help("remove one of them"));
                continue;
            }
            places.push(candidate.place);
            points.push(Point { values, settings });
        }
        Some(points)
    }

    /// Outside of a project, each default path and each name of a data set would be a mistake that nobody has
    /// made: there is one instead.
    fn outside_of_a_project(&mut self) {
        if self.around.is_project() {
            return;
        }
        let sources = &self.sources;
        let is_of_project = |problem: &Problem| {
            let written = sources.text(problem.place).trim_matches(['"', '\'']);
            let is_name = !written.starts_with(['/', '.']);
            is_name && matches!(problem.code, Code::E106 | Code::E107 | Code::E108)
        };
        let Some(first) = self.problems.iter().find(|one| is_of_project(one)) else {
            return;
        };
        let written = sources
            .text(first.place)
            .trim_matches(['"', '\''])
            .to_owned();
        let current = self.around.root.display();
        let title = "the spec and the current folder are outside of every project";
        let label =
            format!("`{written}` is looked for in {current}, which has no folder `datasets`");
        let problem = Problem::new(Code::E116, self.top, title, label).help(
            "run the command in a checkout of this project, or in a folder that `recode init` has filled; \
             paths that begin with `./` start in the folder of the spec",
        );
        self.problems.retain(|problem| !is_of_project(problem));
        self.problems.push(problem);
    }

    fn origins(&self, layered: &Layered) -> BTreeMap<String, String> {
        let leaves = layered.leaves().into_iter();
        let outside = leaves.filter(|(path, _)| {
            !path.starts_with("grid.") && !path.starts_with("table.") && path != "include"
        });
        outside
            .map(|(path, setting)| (path, self.sources.describe(setting.place())))
            .collect()
    }
}
