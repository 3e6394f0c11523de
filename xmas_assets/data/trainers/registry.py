"""The programs that a subset can be written for. To add one: its file here, its line below, its row in the docs."""

from xmas_assets.data.trainers.axolotl import AXOLOTL
from xmas_assets.data.trainers.hf import HF, TRL
from xmas_assets.data.trainers.ids import IDS
from xmas_assets.data.trainers.llamafactory import LLAMAFACTORY
from xmas_assets.data.trainers.llava import LLAVA
from xmas_assets.data.trainers.openai import OPENAI
from xmas_assets.data.trainers.swift import SWIFT
from xmas_assets.data.trainers.tool import Tool
from xmas_assets.data.trainers.webdataset import WEBDATASET

TOOLS: dict[str, Tool] = {
    tool.name: tool for tool in (LLAMAFACTORY, SWIFT, AXOLOTL, TRL, LLAVA, OPENAI, HF, WEBDATASET, IDS)
}
