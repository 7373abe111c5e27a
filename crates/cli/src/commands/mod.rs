//! One file a command.

pub(crate) mod quickstart;

pub(crate) mod pretrain;

pub(crate) mod run;

pub(crate) mod compare;

pub(crate) mod resume;

pub(crate) mod eval;

pub(crate) mod predict;

pub(crate) mod floors;

pub(crate) mod report;

pub(crate) mod generate;

pub(crate) mod export;

pub(crate) mod list;

pub(crate) mod bandit_regret;
