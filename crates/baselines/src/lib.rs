//! The contenders: sequential and joint LoRA, EWC, GEM, A-GEM, HiDe-LoRA.
