#include "dicom/sr_report.h"
#include "server/commands/commands.h"

#include <iostream>

namespace glionode::server {

void AddReport(CLI::App& app, int& exit_code) {
  auto* command = app.add_subcommand("report", "Print one of our Structured Reports as text.");
  command->footer("Example: glionode report out/report.dcm");
  auto file = std::make_shared<std::string>();
  command->add_option("file", *file, "the SR as a DICOM file")->required();
  command->callback([file, &exit_code] {
    exit_code = Guarded([&] {
      std::cout << dicom::RenderSrText(*file);
      return 0;
    });
  });
}

}  // namespace glionode::server
