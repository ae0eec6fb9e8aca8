import "@scbe/cli/provision";
