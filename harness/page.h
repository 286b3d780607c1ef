/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * The page of `mmlab report --html`, and pictures. A program in Python makes them (harness/report/), because sentences, SVG and
 * HTML are strings, and strings are what C is worst at; it lies beside mmlab, or in ../lib/mmlab.
 */

/**
 * mmlab_page() - become the program that makes a page; returns only after a failure
 * @html:  file to write, or NULL
 * @svg:   folder for pictures, or NULL
 * @paths: result files, or one folder; ended by NULL
 * Return: -errno; what is missing has been printed.
 */
int mmlab_page(const char *html, const char *svg, char *const *paths);
