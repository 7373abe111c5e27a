//! The processes of a case: ours, transformers' and llama.cpp's.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
};

use anyhow::Result;

use super::{
    super::{
        conditions::Conditions,
        contender::Contender,
        precision::{PRECISIONS, Precision},
        processor::Bf16,
    },
    case::Case,
    model::Model,
};
use crate::{process, workspace::Workspace};

const TRANSFORMERS: &str = "xtask/bench/transformers_generation.py";

const LLAMA_CPP: &str = "xtask/bench/llama_cpp_generation.py";

/// All sides on one model.
pub(super) struct Sides<'a> {
    root: &'a Path,
    binary: &'a Path,
    model: &'a Model,
    others: Option<Others>,
}

struct Others {
    python: OsString,
    bf16: Bf16,
    /// The model in each of [`PRECISIONS`].
    ggufs: Vec<(Precision, PathBuf)>,
}

impl<'a> Sides<'a> {
    /// Ours alone without an interpreter for the others.
    ///
    /// # Errors
    /// When the model cannot be written for llama.cpp.
    pub(super) fn of(
        workspace: &'a Workspace,
        binary: &'a Path,
        model: &'a Model,
        python: Option<&OsStr>,
        bf16: Bf16,
    ) -> Result<Self> {
        let others = python.map(|python| {
            let ggufs = PRECISIONS.map(|precision| {
                let file = model.gguf(workspace, python, precision)?;
                Ok((precision, file))
            });
            anyhow::Ok(Others {
                python: python.to_owned(),
                bf16,
                ggufs: ggufs.into_iter().collect::<Result<_>>()?,
            })
        });
        Ok(Self {
            root: &workspace.root,
            binary,
            model,
            others: others.transpose()?,
        })
    }

    /// Ours first, then the others in the order of the columns, all ready.
    ///
    /// # Errors
    /// When one cannot be started or fails.
    pub(super) fn contenders(
        &self,
        case: &Case,
        conditions: &Conditions,
    ) -> Result<Vec<Contender>> {
        let (folder, vocabulary) = (&self.model.folder, self.model.vocabulary);
        let line = |path, precision| case.line(path, precision, vocabulary);
        let own = process::command(self.binary, self.root);
        let mut contenders = vec![conditions.contender(own, &line(folder, case.precision()))?];
        if let Some(others) = &self.others {
            let script = |script: &str| {
                let mut command = process::command(&others.python, self.root);
                command.arg(script);
                command
            };
            // PyTorch is many times slower in bf16 than in f32 where it has to emulate it.
            let precision = match others.bf16 {
                Bf16::Multiplied => case.precision(),
                Bf16::Emulated => Precision::F32,
            };
            let line_of_folder = line(folder, precision);
            contenders.push(conditions.contender(script(TRANSFORMERS), &line_of_folder)?);
            let mut ggufs = others.ggufs.iter();
            if let Some((precision, file)) = ggufs.find(|(of, _)| *of == case.precision()) {
                let line_of_file = line(file, *precision);
                contenders.push(conditions.contender(script(LLAMA_CPP), &line_of_file)?);
            }
        }
        Ok(contenders)
    }
}
