/* SPDX-License-Identifier: MIT */
#pragma once
/*
 * What makes measurements on this machine noisy, and what to do about it.
 */
#include <jansson.h>

/**
 * mmlab_noise_warnings() - judge a machine by its description
 * @machine: of mmlab_machine_json()
 * Return: new reference: [{name, severity: "high|low|note", text, remedy}]; notes don't count for the verdict.
 */
json_t *mmlab_noise_warnings(const json_t *machine);

/**
 * mmlab_noise_verdict() - "quiet", "moderate" or "noisy"
 * @warnings:   of mmlab_noise_warnings()
 * @lost_share: part of the time of a spinning loop that it did not get, 0 to 1
 */
const char *mmlab_noise_verdict(const json_t *warnings, double lost_share);
